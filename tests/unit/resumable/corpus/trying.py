from __future__ import annotations

from corpus.world import case, tick


@case(3)
def caught(n):
    for i in range(n):
        try:
            yield i
            if i == 1:
                raise ValueError(tick("raised"))
            yield "unharmed"
        except ValueError:
            tick("caught")
        yield "after"


@case(3)
def raised_and_else(n):
    for i in range(n):
        try:
            yield tick(i)
            if i == 1:
                raise KeyError(i)
        except (ValueError, KeyError) as error:
            note = str(error)
        else:
            yield "else"
            note = tick("fine")
        yield note


@case(3)
def finally_runs_once(n):
    for i in range(n):
        try:
            yield i
            tick("body")
            yield -i
        finally:
            n += 1
    yield n


@case(4)
def finally_of_break(n):
    count = 0
    for i in range(n):
        try:
            yield i
            if i == 1:
                continue
            if i == 2:
                break
            tick(i)
        finally:
            count += 1
    yield count


@case(2)
def finally_of_return(n):
    log = []
    try:
        yield tick(n)
        try:
            yield log
            return
        finally:
            log.append("inner")
    finally:
        log.append("outer")


@case(2)
def all_four(n):
    done = []
    for i in range(n):
        try:
            yield tick(i)
            if i:
                raise LookupError
        except LookupError:
            done.append("except")
        else:
            done.append(tick("else"))
            yield "else"
        finally:
            done.append("finally")
        yield done


@case(3)
def nested(n):
    for i in range(n):
        try:
            try:
                yield i
                raise ValueError(tick(i))
            except ValueError:
                tick("inner")
                if i == 2:
                    raise KeyError(i) from None
            yield "between"
        except KeyError:
            tick("outer")
        yield "end"


@case(3)
def retries(n):
    attempts = 0
    while True:
        try:
            attempts += 1
            if attempts < n:
                raise OSError(tick(attempts))
            yield attempts
            break
        except OSError:
            tick("again")


@case(2)
def loop_in_handler(n):
    try:
        yield 1
        raise ValueError
    except ValueError:
        for i in range(n):
            tick(i)
            if i:
                tick("if")
    yield 2


@case(2)
def bare_handler(n):
    for i in range(n):
        try:
            yield tick(i)
            raise ValueError
        except:  # noqa: E722
            tick("bare")
        yield "on"


@case(2)
def base_handler(n):
    for i in range(n):
        try:
            tick("body")
            yield i
            raise ValueError
        except BaseException as error:  # noqa: BLE001
            kind = type(error).__name__
        yield kind


@case(2)
def reraised(n):
    try:
        for i in range(n):
            try:
                yield i
                raise ValueError(tick(i))
            except ValueError:
                if i == 1:
                    raise
    except ValueError as error:
        text = str(error)
    yield text


@case(2)
def error_comes_out(n):
    yield tick(n)
    raise ZeroDivisionError("as it should")


@case(3)
def error_kept_as_text(n):
    failed = []
    for i in range(n):
        try:
            yield 6 // (i - 1)
        except ZeroDivisionError as error:
            failed.append(f"{i}: {error}")
            tick(i)
    yield failed


@case(3)
def handler_reads_locals(n):
    place = "start"
    try:
        for i in range(n):
            place = f"turn {i}"
            yield i
            tick(place)
            if i == 1:
                raise ValueError
            place = None
    except ValueError:
        tick(place)
    yield place


@case(1)
def stop_iteration(n):
    it = iter([n])
    yield next(it)
    try:
        yield next(it)
    except StopIteration:
        tick("over")
    yield "end"
