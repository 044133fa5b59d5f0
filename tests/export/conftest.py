"""One exported model that all tests here ask, and a client that sends only what it has."""

import pytest
import tensorflow as tf

from recsys_tf.config import ExportConfig

SURFACES = ("mail", "search")


@pytest.fixture(scope="session")
def config():
    """What the shared model is exported with: everything."""
    return ExportConfig(
        num_candidates=40,
        max_k=30,
        score_weights={"click": 1.0, "rating": 0.1},
        calibration={"click": "platt", "rating": "isotonic"},
        calibrate_by_scenario=True,
        min_calibration_rows=20,
        reranker="mmr",
        category_feature="genres",
    )


@pytest.fixture(scope="session")
def calibrations(trained, small_data, config):
    from recsys_tf.export import fit_calibrations

    return fit_calibrations(trained[0], small_data, config)


@pytest.fixture(scope="session")
def make_served(trained, small_data, calibrations):
    """Makes what answers by a configuration."""
    from recsys_tf.export import ServedRecommender

    def made(config, calibrations=calibrations):
        model = trained[0]
        return ServedRecommender(
            model, small_data.preprocessor, small_data.catalogue, config, (10,), calibrations
        )

    return made


@pytest.fixture(scope="session")
def member(trained, small_data):
    """The trained model as one of an ensemble."""
    from recsys_tf.export import EnsembleMember

    return EnsembleMember(trained[0], small_data.preprocessor, small_data.catalogue)


@pytest.fixture(scope="session")
def served(make_served, config):
    return make_served(config)


@pytest.fixture(scope="session")
def folder(served, tmp_path_factory):
    from recsys_tf.export import export_saved_model

    return export_saved_model(served, tmp_path_factory.mktemp("models") / "exported" / "1")


@pytest.fixture(scope="session")
def loaded(folder):
    return tf.saved_model.load(str(folder))


@pytest.fixture(scope="session")
def ask(loaded, served, asking):
    """Asks the SavedModel; without wishes where none are given."""
    by_name = asking(loaded.signatures["recommend"], served)

    def asked(users, histories, k, diversity=(0.0,), max_per_category=(0,), **given):
        given.setdefault("surface", tf.constant(SURFACES[: len(users)], tf.string))
        return by_name(
            users,
            histories,
            k,
            diversity=tf.constant(diversity, tf.float32),
            max_per_category=tf.constant(max_per_category, tf.int32),
            **given,
        )

    return asked


@pytest.fixture(scope="session")
def asking():
    """Makes of a signature `recommend` a function that fills up what is not given."""

    def made(signature, served):
        specs = served.raw_specs(has_items=False)

        def ask(user_ids, histories, k, **given):
            num_rows = len(user_ids)
            inputs = {}
            for name, spec in specs.items():
                shape = [num_rows, *([0] if len(spec.shape) == 2 else [])]
                neutral = float("nan") if spec.dtype == tf.float32 else ""
                inputs[name] = tf.fill(shape, tf.constant(neutral, spec.dtype))
            length = max([len(each) for each in histories], default=0)
            padded = [[*each, *[""] * (length - len(each))] for each in histories]
            inputs["user_id"] = tf.constant(user_ids, tf.string)
            inputs["history"] = tf.constant(padded, tf.string, shape=[num_rows, length])
            inputs.update(given)
            return signature(**inputs, k=tf.constant(k, tf.int32))

        return ask

    return made


@pytest.fixture(scope="session")
def known(small_data):
    """Two known users and their histories."""
    events = small_data.interactions.events.iloc[small_data.train_rows]
    users = events["user_id"].value_counts().index[:2].tolist()
    return users, [events.loc[events["user_id"] == user, "item_id"].tolist() for user in users]
