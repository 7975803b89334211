"""What the codec does not encode, and how it says so."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import io
import struct
from dataclasses import dataclass, field
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgpack
import pytest

from pauseflow.codec import decode, encode, encode_items, register
from pauseflow.errors import MalformedData, NotSerializable, RegistrationError


@register(name="test:User")
@dataclass
class User:
    name: str
    address: list[object] = field(default_factory=list)


@dataclass
class Stranger:
    name: str


class Shade(enum.Enum):
    DARK = 1


class Pair(NamedTuple):
    a: int
    b: int


class Text(str):
    __slots__ = ()


def refused(value: object) -> NotSerializable:
    with pytest.raises(NotSerializable) as caught:
        encode(value)
    return caught.value


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (object(), ""),
        ({"user": User("a", [1, 2, object()])}, '["user"].address[2]'),
        ([(1, {"a": object()})], '[0][1]["a"]'),
        ({1: {"x": object()}}, '[1]["x"]'),
        ({(1, object()): 1}, "<key tuple>[1]"),
        ([{1, object()}], "[0]{element}"),
        ({'a"b': object()}, '["a\\"b"]'),
    ],
)
def test_the_path_leads_to_the_culprit(value, path):
    error = refused(value)
    assert error.path == path
    assert error.type_name == "object"
    assert error.index == -1
    assert f"record{path}: object has no encoding" in str(error)


def test_the_index_says_which_of_the_items():
    with pytest.raises(NotSerializable) as caught:
        encode_items([1, "a", {"x": [object()]}, object()])
    assert (caught.value.index, caught.value.path) == (2, '["x"][0]')
    located = caught.value.at(stage="parse", key="r:1")
    assert located.index == 2
    assert "stage 'parse'" in str(located)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (bytearray(b"a"), "a bytearray would come back as bytes"),
        (memoryview(b"a"), "a memoryview would come back as bytes"),
        (collections.OrderedDict(a=1), "OrderedDict is a subclass of dict"),
        (collections.defaultdict(list), "defaultdict is a subclass of dict"),
        (collections.Counter("a"), "Counter is a subclass of dict"),
        (Text("a"), "Text is a subclass of str"),
        (Pair(1, 2), "the named tuple test_codec_refusals.Pair is not registered"),
        (Shade.DARK, "Shade is not registered"),
        (Stranger("a"), "Stranger is not registered"),
        (len, "is code"),
        (refused, "is code"),
        (User, "is code"),
        (iter([1]), "is half-done work"),
        ((x for x in "a"), "is half-done work"),
        (dt.datetime.now(tz=ZoneInfo("UTC")).tzinfo, "has no encoding"),
        (1j, "complex has no encoding"),
        (msgpack.ExtType(1, b"t"), "is not registered"),
    ],
)
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [1, v], lambda v: {"k": (v,)}])
def test_a_type_is_refused_with_its_reason(value, reason, wrap):
    assert reason in str(refused(wrap(value)))


@pytest.mark.parametrize("hidden", [bytearray(b"a"), memoryview(b"a"), msgpack.ExtType(5, b"")])
@pytest.mark.parametrize(
    "place",
    [
        lambda v: [1, 2, v],
        lambda v: ["a", v],
        lambda v: [1.5, None, {"deep": [{"er": [v]}]}],
        lambda v: [(1, [2, {"a": v}])],
        lambda v: [{"a": [(v,)]}, [b"bytes"]],
        lambda v: [User("a", [[v]])],
        lambda v: [{1: 2}, {"x": {2: [v]}}],
    ],
)
def test_what_msgpack_would_take_for_something_else_is_found_anywhere(hidden, place):
    with pytest.raises(NotSerializable) as caught:
        encode_items(place(hidden))
    assert caught.value.type_name.endswith(type(hidden).__qualname__)


def test_a_memoryview_is_found_as_a_key_and_in_a_set():
    view = memoryview(b"a")
    assert refused({view: 1}).path == "<key memoryview>"
    assert refused({"a": {view}}).path == '["a"]{element}'
    assert refused([{"a": 1}, {b"x": 1, view: 2}]).type_name == "memoryview"


def test_a_time_zone_that_data_cannot_name():
    class Local(dt.tzinfo):
        def utcoffset(self, when):
            return dt.timedelta(0)

    error = refused({"at": dt.datetime(2024, 1, 1, tzinfo=Local())})
    assert error.path == '["at"]'
    assert "Local" in error.reason
    assert "zoneinfo.ZoneInfo" in error.reason


@pytest.mark.parametrize("key", [None, "My/Zone", "../zone"])
def test_a_zone_that_has_no_file_under_its_name(key):
    # The smallest time zone file: one kind of time, which is UTC, and no transitions.
    file = b"TZif" + bytes(16) + struct.pack(">6i", 0, 0, 0, 0, 1, 4) + bytes(6) + b"UTC\0"
    zone = ZoneInfo.from_file(io.BytesIO(file), key=key)
    assert "time zone" in refused([dt.time(1, tzinfo=zone)]).reason


def test_a_circle_is_named_and_no_recursion_error():
    ring: list[object] = [1]
    ring.append({"back": ring})
    error = refused(ring)
    assert error.path == '[1]["back"]'
    assert "circular" in str(error)
    user = User("a")
    user.address.append(user)
    assert refused(user).path == ".address[0]"


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: (v,), lambda v: {"a": v}, User])
def test_what_is_nested_too_deeply_is_refused_and_what_is_not_comes_back(wrap):
    deep: object = 1
    for _ in range(200):
        deep = wrap(deep)
    assert encode(decode(encode(deep))) == encode(deep)
    for _ in range(5_000):
        deep = wrap(deep)
    assert "nested too deeply" in str(refused([1, deep]))
    assert len(str(refused(deep))) < 500


def test_the_deepest_value_that_is_encoded_is_decoded():
    value: object = 1
    encoded = encode(value)
    for _ in range(3000):
        value = (value,)
        try:
            encoded = encode(value)
        except NotSerializable:
            break
        decode(encoded)
    else:
        pytest.fail("nothing was too deep")


def test_sets_inside_sets_are_bounded():
    value: object = frozenset()
    for _ in range(7):
        value = frozenset({value, 1})
    assert decode(encode(value)) == value
    error = refused([0, frozenset({frozenset({value})})])
    assert "sets stand inside each other" in str(error)


def test_the_same_value_twice_is_no_circle():
    shared = [1]
    assert decode(encode([shared, shared, {"a": shared}])) == [[1], [1], {"a": [1]}]


def test_an_encode_function_that_fails_is_named():
    class Broken:
        pass

    def encoder(value):
        raise LookupError("nothing here")

    register(Broken, name="test:Broken", encode=encoder, decode=lambda v: v)
    error = refused({"a": [Broken()]})
    assert error.path == '["a"][0]'
    assert "raised LookupError: nothing here" in str(error)


def test_an_encode_function_whose_result_has_no_encoding():
    class Opaque:
        pass

    register(Opaque, name="test:Opaque", encode=lambda v: {"in": object()}, decode=lambda v: v)
    assert refused([Opaque()]).path == '[0]<encoded>["in"]'


def test_an_encode_function_that_never_ends():
    class Endless:
        pass

    register(Endless, name="test:Endless", encode=lambda v: [Endless()], decode=lambda v: v)
    assert "nested too deeply" in str(refused(Endless()))


def test_a_field_that_is_not_set():
    @register(name="test:Unset")
    @dataclass(slots=True)
    class Unset:
        a: int
        b: int = field(init=False)

    error = refused([Unset(1)])
    assert "field 'b' is not set" in str(error)


class TestRegister:
    def test_the_default_name_is_where_the_class_is(self):
        @register
        @dataclass
        class Local:
            a: int

        assert b"test_codec_refusals:TestRegister" in encode(Local(1))
        assert decode(encode(Local(1))) == Local(1)

    def test_the_class_is_returned_and_may_be_registered_again_the_same_way(self):
        assert register(User, name="test:User") is User

    def test_two_classes_under_one_name(self):
        with pytest.raises(RegistrationError, match=r"'test:User' is taken by .*User"):
            register(Stranger, name="test:User")
        with pytest.raises(NotSerializable):
            encode(Stranger("a"))

    def test_one_class_under_two_names(self):
        with pytest.raises(RegistrationError, match="registered already, as 'test:User'"):
            register(User, name="test:Person")

    @pytest.mark.parametrize("cls", [int, list, dict, bytearray, memoryview, dt.date, object])
    def test_types_with_a_rule_of_their_own(self, cls):
        with pytest.raises(RegistrationError, match=cls.__name__):
            register(cls, encode=str, decode=cls)

    @pytest.mark.parametrize("name", ["", 3])
    def test_a_name_is_a_word(self, name):
        with pytest.raises(RegistrationError, match="non-empty str"):
            register(Stranger, name=name)

    def test_a_plain_class_needs_functions(self):
        class Plain:
            pass

        with pytest.raises(RegistrationError, match="encode="):
            register(Plain)
        with pytest.raises(RegistrationError, match="both encode= and decode="):
            register(Plain, encode=vars)

    def test_what_is_no_class(self):
        with pytest.raises(RegistrationError, match="takes a class"):
            register(User("a"))

    def test_a_dataclass_that_needs_more_than_its_fields(self):
        @dataclass
        class Rows(list):
            a: int

        class Derived(User):
            pass

        with pytest.raises(RegistrationError, match="from its fields alone"):
            register(Rows)
        with pytest.raises(RegistrationError, match="Decorate it with @dataclass"):
            register(Derived)

    def test_a_subclass_is_registered_by_itself(self):
        @dataclass
        class Admin(User):
            rights: int = 0

        assert "Admin is not registered" in str(refused(Admin("a")))
        register(Admin, name="test:Admin")
        assert decode(encode(Admin("a", [1], 2))) == Admin("a", [1], 2)
        assert type(decode(encode(User("a")))) is User

    def test_a_subclass_of_a_builtin_with_functions(self):
        class Codes(dict):
            pass

        register(Codes, name="test:Codes", encode=dict, decode=Codes)
        back = decode(encode([Codes(a=1), {"a": 1}]))
        assert [type(value) for value in back] == [Codes, dict]

    def test_no_constructor_runs_when_an_instance_comes_back(self):
        calls = []

        @register(name="test:Counted")
        @dataclass(frozen=True, slots=True)
        class Counted:
            a: int
            b: int = field(default=0, init=False)
            c: dataclasses.InitVar[int] = 5

            def __post_init__(self, c):
                calls.append(c)
                object.__setattr__(self, "b", c)

        value = Counted(1, 7)
        back = decode(encode(value))
        assert (back.a, back.b, calls) == (1, 7, [7])
        with pytest.raises(dataclasses.FrozenInstanceError):
            back.a = 2

    def test_a_class_that_has_changed_since(self):
        def version(*extra):
            fields = [("a", int), *extra]
            return dataclasses.make_dataclass("Version", fields)

        old = register(version(("gone", int)), name="test:v-one")
        register(version(("b", list, field(default_factory=list))), name="test:v-two")
        register(version(("b", int)), name="test:v-six")
        data = encode(old(1, 2))
        with pytest.raises(MalformedData, match=r"has no field 'gone'.*the class has changed"):
            decode(data.replace(b"test:v-one", b"test:v-two"))

        less = register(version(), name="test:v-old")
        data = encode(less(1))
        back = decode(data.replace(b"test:v-old", b"test:v-two"))
        assert (back.a, back.b) == (1, [])
        with pytest.raises(MalformedData, match=r"has no field 'b'.*Give the new field a default"):
            decode(data.replace(b"test:v-old", b"test:v-six"))

    def test_a_member_that_is_gone(self):
        @register(name="test:Gone")
        class Gone(enum.Enum):
            OLD = 1

        with pytest.raises(MalformedData, match="Gone has no member 'NEW'"):
            decode(encode(Gone.OLD).replace(b"OLD", b"NEW"))

    def test_a_decode_function_that_fails_or_lies(self):
        class Odd:
            pass

        register(Odd, name="test:Odd", encode=lambda v: 0, decode=lambda v: 1 // v)
        with pytest.raises(MalformedData, match="Odd raised ZeroDivisionError"):
            decode(encode(Odd()))

        class Liar:
            pass

        register(Liar, name="test:Liar", encode=lambda v: 0, decode=lambda v: v)
        with pytest.raises(MalformedData, match="Liar returned a int"):
            decode(encode(Liar()))
