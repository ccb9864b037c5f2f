"""Technical indicators updated one value at a time in constant time, equal to the `ta` library and as stable for ever.

Inputs are integers in 1e-9 units. Rolling sums (of values and of squares) are integers, hence exact however long they
run; exponential averages forget their own rounding. Results are floats in the units of the inputs, None while fewer
values than the window were seen. Only + - * / and square roots are used, which every machine rounds alike.
"""

from math import sqrt


class RollingWindow:
    """Exact count, sum and sum of squares of the last `size` integers."""

    __slots__ = ("_next", "_ring", "count", "size", "squares", "total")

    def __init__(self, size: int) -> None:
        self.size = size
        self.count = self.total = self.squares = self._next = 0
        self._ring = [0] * size

    def push(self, value: int) -> None:
        """Take a value in and the oldest one out."""
        index = self._next
        oldest = self._ring[index]
        self._ring[index] = value
        self._next = index + 1 if index + 1 < self.size else 0
        change = value - oldest
        self.total += change
        self.squares += change * (value + oldest)
        if self.count < self.size:
            self.count += 1

    def deviation(self) -> float:
        """Population standard deviation (divisor n) of a full window; the difference below is exact, never negative."""
        return sqrt(self.size * self.squares - self.total * self.total) / self.size


class SimpleMovingAverage:
    """Mean of the last `window` values."""

    __slots__ = ("_window",)

    def __init__(self, window: int) -> None:
        self._window = RollingWindow(window)

    def update(self, value: int) -> float | None:
        """The mean with `value`."""
        window = self._window
        window.push(value)
        return window.total / window.size if window.count == window.size else None


class ExponentialMovingAverage:
    """Recursive mean of weight 2 / (window + 1), which starts at the first value (pandas: `adjust=False`)."""

    __slots__ = ("_count", "_mean", "_weight", "_window")

    def __init__(self, window: int) -> None:
        self._window = window
        self._weight = 2.0 / (window + 1)
        self._count = 0
        self._mean = 0.0

    def update(self, value: float) -> float | None:
        """The mean with `value`."""
        if self._count:
            self._mean += self._weight * (value - self._mean)
        else:
            self._mean = float(value)
        self._count += 1
        return self._mean if self._count >= self._window else None


class RelativeStrengthIndex:
    """Wilder's RSI, 0 to 100: smoothed gains against smoothed losses, with weight 1 / window.

    As in `ta`, the first value counts as a change of zero, and RSI is 100 where nothing was ever lost, hence also for
    a price that never moved; `moved` tells the two apart.
    """

    __slots__ = ("_count", "_gain", "_last", "_loss", "_weight", "_window")

    def __init__(self, window: int = 14) -> None:
        self._window = window
        self._weight = 1.0 / window
        self._count = self._last = 0
        self._gain = self._loss = 0.0

    @property
    def moved(self) -> bool:
        """Whether the price ever changed."""
        return self._gain > 0.0 or self._loss > 0.0

    def update(self, close: int) -> float | None:
        """The index with `close`."""
        change = close - self._last if self._count else 0
        self._last = close
        self._count += 1
        if change > 0:
            self._gain += self._weight * (change - self._gain)
            self._loss -= self._weight * self._loss
        else:
            self._gain -= self._weight * self._gain
            self._loss -= self._weight * (change + self._loss)
        if self._count < self._window:
            return None
        return 100.0 - 100.0 / (1.0 + self._gain / self._loss) if self._loss else 100.0


class MovingAverageConvergenceDivergence:
    """MACD: fast minus slow exponential average (`line`), its own average (`signal`) and their gap (`histogram`)."""

    __slots__ = ("_fast", "_signal", "_slow", "histogram", "line", "signal")

    def __init__(self, fast: int = 12, slow: int = 26, signal: int = 9) -> None:
        self._fast = ExponentialMovingAverage(fast)
        self._slow = ExponentialMovingAverage(slow)
        self._signal = ExponentialMovingAverage(signal)
        self.line: float | None = None
        self.signal: float | None = None
        self.histogram: float | None = None

    def update(self, close: int) -> float | None:
        """Take `close` in; returns the histogram."""
        fast, slow = self._fast.update(close), self._slow.update(close)
        if fast is None or slow is None:
            return None
        self.line = line = fast - slow
        self.signal = signal = self._signal.update(line)
        if signal is not None:
            self.histogram = line - signal
        return self.histogram


class BollingerBands:
    """Mean of the last `window` closes (`middle`) and a band of `deviations` population standard deviations each side.

    `percent_b` is where the close lies in the band (0 at the lower, 1 at the upper; None where the band has no width),
    `width` the band in percent of its middle.
    """

    __slots__ = ("_window", "deviations", "lower", "middle", "percent_b", "upper", "width")

    def __init__(self, window: int = 20, deviations: float = 2.0) -> None:
        self._window = RollingWindow(window)
        self.deviations = deviations
        self.middle: float | None = None
        self.upper: float | None = None
        self.lower: float | None = None
        self.percent_b: float | None = None
        self.width: float | None = None

    def update(self, close: int) -> float | None:
        """Take `close` in; returns the middle."""
        window = self._window
        window.push(close)
        if window.count < window.size:
            return None
        half = self.deviations * window.deviation()
        self.middle = middle = window.total / window.size
        self.upper = middle + half
        self.lower = middle - half
        # The distance from the middle is exact: near a narrow band a rounded middle would show.
        distance = (close * window.size - window.total) / window.size
        self.percent_b = (distance + half) / (2.0 * half) if half else None
        self.width = 200.0 * half / middle if middle else None
        return middle


class AverageTrueRange:
    """Wilder's ATR: the mean of the first `window` true ranges, from then on smoothed with weight 1 / window.

    The true range of the first bar, which has no close before it, is its high less its low.
    """

    __slots__ = ("_count", "_last", "_total", "_window", "value")

    def __init__(self, window: int = 14) -> None:
        self._window = window
        self._count = self._total = 0
        self._last: int | None = None
        self.value: float | None = None

    def update(self, high: int, low: int, close: int) -> float | None:
        """The average with this bar."""
        last = self._last
        if last is not None:
            high = high if high > last else last
            low = low if low < last else last
        self._last = close
        if self.value is not None:
            self.value = (self.value * (self._window - 1) + (high - low)) / self._window
            return self.value
        self._total += high - low
        self._count += 1
        if self._count == self._window:
            self.value = self._total / self._window
        return self.value


class ZScore:
    """How many population standard deviations a value lies from the mean of the last `window`, itself among them."""

    __slots__ = ("_window", "value")

    def __init__(self, window: int = 20) -> None:
        self._window = RollingWindow(window)
        self.value: float | None = None

    def update(self, value: int) -> float | None:
        """The score of `value`; 0 where the window does not vary."""
        window = self._window
        window.push(value)
        if window.count < window.size:
            return None
        deviation = window.deviation()
        self.value = (value * window.size - window.total) / (window.size * deviation) if deviation else 0.0
        return self.value
