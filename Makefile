# Every target uses .venv in this folder and builds it if it is missing.
PYTHON ?= python3
BIN := .venv/bin
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false
# what is compiled is kept: the tests start many processes, and each would compile the package anew
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup demo long-run long-run-weights test fast test-browser test-full reliability check fix smoke kills cache-kills odd-files captions validity worlds scale extras clean

setup: .venv/ready  ## install Framefall and everything its development needs

# torch first, pinned, and by pip: on a machine without a GPU a looser requirement may fetch gigabytes of CUDA, and uv
# does not look where a wheel for the CPU lies; all else by uv, or by pip where uv cannot reach what pip can (decision 54);
# nothing is compiled but what is imported, when it first is; torch already while the rest is fetched, on an idle core
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --no-compile --disable-pip-version-check -c constraints.txt torch==2.13.0 uv
	$(BIN)/python -c "import torch._dynamo" >/dev/null 2>&1 & \
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[dev]' || \
		$(BIN)/pip install -q --no-compile --disable-pip-version-check -c constraints.txt -e '.[dev]' || exit 1; wait
	touch $@

demo: .venv/ready  ## generate a clip with the shipped cascade, score it, lay it out as a contact sheet
	$(BIN)/framefall generate "a large red ball falls and bounces on the floor" -o demo/ball.mp4 --seed 4 --quality best --report
	@echo "see it, play with it, understand it: $(BIN)/framefall studio"

long-run: .venv/ready  ## start the training that takes days, or go on with it, in the background; say where it stands
	$(BIN)/python scripts/long_run.py

long-run-weights: .venv/ready  ## its averaged weights into the package, and a line for docs/log.md
	$(BIN)/python scripts/long_run.py weights

check: .venv/ready  ## formatting, lint, types, floors
	$(BIN)/ruff format --check -q .
	$(BIN)/ruff check -q .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

fix: .venv/ready  ## format, sort imports, repair what can be repaired
	$(BIN)/ruff format -q .
	$(BIN)/ruff check -q --fix .

test: .venv/ready  ## check, and the fast tests beside it
	$(MAKE) --no-print-directory -j2 check fast

fast: .venv/ready  # two workers: two cores are busy from the first test to the last, whatever check does meanwhile
	$(BIN)/pytest -m "not slow and not gpu"

test-full: check  ## everything: the slow tests too, and property tests with their full count of examples
	FRAMEFALL_FULL=1 $(BIN)/pytest

test-browser: .venv/ready  ## every test of the studio's pages in a real browser; needs Debian's chromium
	$(BIN)/pytest -n 0 tests/browser

# their packages are too big for every test run
scale: .venv/ready  ## what goes beyond one machine and one file format, at full counts, with every extra installed
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev,export,lora,ray,science]'
	FRAMEFALL_FULL=1 $(BIN)/pytest -n 0 --timeout 1800 tests/data/fields tests/runs/generation/test_fields.py tests/runs/evaluation/test_forecast.py \
		tests/whole/test_science_page.py tests/whole/test_notebooks.py tests/whole/test_cluster_jobs.py tests/cli/test_merge.py \
		tests/runs/test_exports.py tests/runs/test_on_ray.py tests/scale

extras: .venv/ready  ## each extra alone in a fresh environment, and what its page in docs/ says done there; fetches packages
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev,science]'
	$(BIN)/python scripts/extras.py

smoke: .venv/ready  ## train all three stages for a few steps on real clips, generate, evaluate
	$(BIN)/python tests/batteries/smoke.py

reliability: .venv/ready  ## every promise of reliability with its full count, in an hour; writes docs/reliability.md
	$(BIN)/python tests/batteries/reliability.py

kills: .venv/ready  ## 20 SIGKILLs aimed at training
	$(BIN)/python tests/batteries/kills.py

cache-kills: .venv/ready  ## 20 SIGKILLs aimed at preparing and caching
	$(BIN)/python tests/batteries/cache_kills.py

odd-files: .venv/ready  ## 30 malformed files among 30 good ones
	$(BIN)/python tests/batteries/odd_files.py

captions: .venv/ready  ## 10,000 captions of each scenario, written and read back
	$(BIN)/python tests/batteries/captions.py

validity: .venv/ready  ## every metric against every damage and placebo: tens of minutes
	$(BIN)/framefall bench validity --count 16 --json >validity.json
	$(BIN)/python scripts/validity_page.py validity.json docs

worlds: .venv/ready  ## the default model against what it must reach, half an hour of one core; writes docs/worlds.md
	$(BIN)/framefall bench worlds --count 24 --json >worlds.json
	$(BIN)/python scripts/worlds_page.py worlds.json docs/worlds.md

clean:
	rm -rf .venv demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
