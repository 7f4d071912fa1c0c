"""What the Python peers share: the machine's CPU time, peak memory, and a meter of both."""
import os
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def machine_seconds():
    """CPU seconds of the whole machine since boot: all, and the busy ones."""
    with open("/proc/stat") as file:
        ticks = [int(field) for field in file.readline().split()[1:9]]
    tick = os.sysconf("SC_CLK_TCK")
    return sum(ticks) / tick, (sum(ticks) - ticks[3] - ticks[4]) / tick


def forget_peak_rss():
    """Peak memory counts from here: what loading took does not count against the peer."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def peak_rss_bytes():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))


class Meter:
    """Seconds of a block, and the share of the machine that other processes used meanwhile."""

    def __enter__(self):
        self.all, self.busy = machine_seconds()
        self.own, self.start = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_):
        self.seconds, own = time.perf_counter() - self.start, time.process_time() - self.own
        every, busy = machine_seconds()
        self.foreign_cpu = max(0.0, (busy - self.busy - own) / (every - self.all))
