"""The app that worker processes of tests load for job stages: `support.jobapp`."""

from pauseflow import Flow
from support import jobflows

ordered = Flow("ordered")
ordered.branch(jobflows.numbers).job(jobflows.slowly, queue="heavy")

unordered = Flow("unordered")
unordered.branch(jobflows.numbers).job(jobflows.slowly, queue="heavy", ordered=False)

pictures = Flow("pictures")
pictures.job(jobflows.double, queue="heavy")

failing = Flow("failing")
failing.job(jobflows.fail, queue="heavy")

killed = Flow("killed")
killed.job(jobflows.kill_once, queue="heavy", retries=1, backoff=0)

again = Flow("again")
again.job(jobflows.kill_once, queue="heavy", retry=1)

meeting = Flow("meeting")
meeting.job(jobflows.meet, queue="heavy")

late = Flow("late")
late.job(jobflows.meet, queue="heavy", timeout=1)

foreign = Flow("foreign")
foreign.branch(jobflows.foreign)
