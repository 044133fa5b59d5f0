"""Package metadata: what recsys_tf is called, what it contains and what it needs.

The ranges admit both lines of the stack that were tried (TFX 1.16 on TensorFlow 2.16 and TFX 1.21
on TensorFlow 2.21). The exact versions that the tests run on are pinned in requirements/.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent

# The modelling part: import, train, evaluate, export. TFX is not among it on purpose, so that it
# installs on every Python >= 3.10 that TensorFlow supports.
CORE = [
    "numpy>=1.26,<3",
    "pandas>=1.5.3,<3",
    "pyarrow>=10",
    "scipy>=1.12",
    "pydantic>=2,<3",
    "PyYAML>=6",
    "typer>=0.12",
    "packaging>=23",
    "rich>=13",
    "tensorflow>=2.16.2,<2.22",
    "tf-keras>=2.16,<2.22",
    "keras>=3.12,<4",
    "tensorflow-recommenders>=0.7.7,<0.8",
]

EXTRAS = {
    # TFX 1.16 admits Python 3.9 and 3.10 only, TFX 1.21 needs glibc >= 2.39.
    "pipeline": [
        "tfx>=1.16,<1.22",
        "tensorflow-transform>=1.16,<1.22",
        "tensorflow-data-validation>=1.16,<1.22",
        "tensorflow-model-analysis>=0.47,<0.53",
        "ml-metadata>=1.16,<1.22",
        "apache-beam>=2.74,<3",
        # Beam 2.74 no longer brings dill, and pickles TFX 1.16's functions with it.
        "dill>=0.3.1.1",
    ],
    "serving": ["tensorflow-serving-api>=2.16.1,<2.22", "grpcio>=1.60", "aiohttp>=3.9"],
    "text": [
        "keras-nlp>=0.25,<1",
        "tensorflow-text>=2.16.1,<2.22",
        "sentencepiece>=0.2",
        "safetensors>=0.4",
    ],
    "notebooks": [
        "nbclient>=0.10",
        "nbformat>=5.10",
        "ipykernel>=6",
        "matplotlib>=3.8",
        "scikit-learn>=1.5",
    ],
}
EXTRAS["bench"] = ["matplotlib>=3.8", "psutil>=5.9", "scikit-learn>=1.5"]
EXTRAS["dev"] = [
    *EXTRAS["notebooks"],
    # pytest-xdist 3.8 sets names that pytest 9.2 does not read: `--dist loadgroup` groups nothing.
    "pytest>=8,<9.2",
    "pytest-xdist>=3.6",
    "hypothesis>=6.100",
    "ruff>=0.9",
    "mypy>=1.13",
    "types-PyYAML",
    "psutil>=5.9",
    # Without pip in the environment TFX cannot install a `module_file`.
    "pip",
    # Resolves the pinned sets, and makes the environments that .ci/run tests in.
    "uv>=0.8,<1",
    # To build the project where it stands, without fetching a second setuptools.
    "setuptools>=77",
]


def _version() -> str:
    # Read, not imported: nothing that the package needs is installed yet.
    text = (ROOT / "recsys_tf" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)[1]


def _long_description() -> str:
    readme = ROOT / "README.md"
    return readme.read_text(encoding="utf-8") if readme.exists() else ""


setup(
    name="recsys_tf",
    version=_version(),
    description=(
        "Multi-task, multi-scenario recommenders with text, in Keras 3, TensorFlow Recommenders, "
        "TFX and TensorFlow Serving"
    ),
    long_description=_long_description(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    packages=find_packages(
        include=["recsys_tf", "recsys_tf.*", "pipeline", "pipeline.*", "serving", "serving.*"]
    ),
    package_data={
        "recsys_tf": ["py.typed", "**/*.yaml", "**/*.json", "**/*.txt"],
        "pipeline": ["**/*.yaml", "**/*.pbtxt"],
        "serving": ["**/*.yaml", "**/*.yml", "**/*.config", "**/*.md"],
    },
    python_requires=">=3.10",
    install_requires=CORE,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["recsys-tf = recsys_tf.cli:main"]},
    classifiers=[
        "Intended Audience :: Developers",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
