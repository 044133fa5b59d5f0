import datetime

import numpy as np
import pandas as pd

from recsys_tf.datasets.moments import DAYPARTS, HOURS, WEEKDAYS, add_moments


def test_moments_agree_with_the_calendar():
    seconds = np.random.default_rng(0).integers(0, 2_000_000_000, 200)
    events = add_moments(pd.DataFrame({"timestamp": seconds}))
    for row, second in zip(events.itertuples(), seconds.tolist(), strict=True):
        moment = datetime.datetime.fromtimestamp(second, tz=datetime.timezone.utc)
        assert row.hour == f"{moment.hour:02d}"
        assert row.weekday == moment.strftime("%A").lower()
        assert row.daypart == DAYPARTS[moment.hour // 6]
    assert set(events["hour"]) <= set(HOURS)
    assert set(events["weekday"]) <= set(WEEKDAYS)
