"""Runs in Optuna's own environment: one question, its arguments as JSON, the answer as JSON on the last line.

The question `searches` opens a conversation of many lines (lines.py). Ordered choices are asked for as whole numbers.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
import time
from multiprocessing import get_context

import optuna
from benchmarks.rivals.lines import is_active, serve

optuna.logging.set_verbosity(logging.ERROR)


def suggest(trial):
    return [trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(10)]


def version():
    return optuna.__version__


def ask_tell(path, trials):
    """CPU seconds per trial: ask, suggest ten parameters, tell, on SQLite."""
    study = optuna.create_study(storage=f"sqlite:///{path}", sampler=optuna.samplers.RandomSampler(seed=0))
    begun = time.process_time()
    for _ in range(trials):
        trial = study.ask()
        study.tell(trial, sum(suggest(trial)))
    return (time.process_time() - begun) / trials


def fill(path, trials):
    """A study of that many trials, ten parameters and five reports each; CPU seconds to open it and read its trials."""
    study = optuna.create_study(
        storage=f"sqlite:///{path}", study_name="s", sampler=optuna.samplers.RandomSampler(seed=0)
    )
    distributions = {f"x{i}": optuna.distributions.FloatDistribution(0.0, 1.0) for i in range(10)}
    for n in range(trials):
        params = {name: (n % 97) / 97 for name in distributions}
        study.add_trial(
            optuna.trial.create_trial(
                params=params,
                distributions=distributions,
                value=float(n),
                intermediate_values={s: float(s) for s in range(5)},
            )
        )


def open_study(path):
    begun = time.process_time()
    study = optuna.load_study(study_name="s", storage=f"sqlite:///{path}")
    n = len(study.get_trials(deepcopy=False))
    _ = study.best_value
    return {"seconds": time.process_time() - begun, "trials": n}


def fanova(points, losses, seed):
    """Each parameter's share of the variance by itself, of points in the unit cube; not made to add up to 1."""
    study = optuna.create_study()
    distributions = {f"x{j}": optuna.distributions.FloatDistribution(0.0, 1.0) for j in range(len(points[0]))}
    for point, loss in zip(points, losses, strict=True):
        params = dict(zip(distributions, point, strict=True))
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=loss))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator, normalize=False)
    return [found[name] for name in distributions]


def _storage(path):
    """SQLite, or a journal file for a path that ends so."""
    if not path.endswith(".journal"):
        return f"sqlite:///{path}"
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(path))


def _work(path, seconds, sleep_s, ready, go, results):
    optuna.logging.set_verbosity(logging.ERROR)
    study = optuna.load_study(study_name="s", storage=_storage(path), sampler=optuna.samplers.RandomSampler())
    done = errors = 0
    ready.release()
    go.wait()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            trial = study.ask()
            value = sum(suggest(trial))
            time.sleep(sleep_s)
            study.tell(trial, value)
            done += 1
        except Exception:  # noqa: BLE001 - an error is what is counted
            errors += 1
    results.put((done, errors))


def throughput(path, processes, seconds, sleep_s):
    """Trials and errors of many processes on one study, in SQLite or in a journal file."""
    optuna.create_study(study_name="s", storage=_storage(path))
    context = get_context("spawn")
    ready, go, results = context.Semaphore(0), context.Event(), context.Queue()
    arguments = (path, seconds, sleep_s, ready, go, results)
    workers = [context.Process(target=_work, args=arguments) for _ in range(processes)]
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.acquire()
    go.set()
    counts = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    return {"trials": sum(done for done, _ in counts), "errors": sum(errors for _, errors in counts)}


class Optuna:
    """Asks define-by-run: each value in turn, as its conditions hold."""

    def __init__(self, space, sampler, **options):
        self._space = space
        self._study = optuna.create_study(sampler=sampler, **options)
        self._trial = None

    def ask(self):
        self._trial = self._study.ask()
        config = {}
        for spec in self._space:
            if is_active(spec, config):
                config[spec["name"]] = self._value(spec)
        return config

    def tell(self, loss):
        if loss is None:
            self._study.tell(self._trial, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(self._trial, loss)

    def _value(self, spec):
        name, trial = spec["name"], self._trial
        if spec["type"] == "float":
            return trial.suggest_float(name, spec["low"], spec["high"], log=spec["log"], step=spec["step"])
        if spec["type"] == "int":
            return trial.suggest_int(name, spec["low"], spec["high"], log=spec["log"], step=spec["step"] or 1)
        choices = spec["choices"]
        if spec["ordered"]:
            return choices[trial.suggest_int(name, 0, len(choices) - 1)]
        return choices[trial.suggest_categorical(name, list(range(len(choices))))]


class WithHyperband(Optuna):
    """TPE, and Hyperband's pruner, as Optuna's documentation pairs them; a trial is told as pruned when it stops."""

    def __init__(self, space, seed, epochs):
        pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=3)
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True)
        super().__init__(space, sampler, pruner=pruner, study_name=str(seed))  # brackets are drawn by the name
        self._is_pruned = False

    def report(self, epoch, loss):
        self._trial.report(loss, epoch)
        self._is_pruned = self._trial.should_prune()
        return not self._is_pruned

    def tell(self, loss):
        if self._is_pruned:
            self._study.tell(self._trial, state=optuna.trial.TrialState.PRUNED)
        else:
            super().tell(loss)


def curves():
    serve(lambda space, strategy, seed, epochs: WithHyperband(space, seed, epochs))


def searches():
    samplers = _samplers()
    serve(lambda space, strategy, seed, trials: Optuna(space, samplers[strategy](seed=seed)))


def fronts():
    """Searches whose trials have two losses."""
    samplers, both = _samplers(), ["minimize", "minimize"]
    serve(lambda space, strategy, seed, trials: Optuna(space, samplers[strategy](seed=seed), directions=both))


def _samplers():
    for module in ("cmaes", "scipy.optimize", "scipy.stats", "torch", "optuna._gp.gp", "optuna._gp.acqf"):
        importlib.import_module(module)  # so that no search pays for it
    return {
        "tpe": optuna.samplers.TPESampler,
        "gp": optuna.samplers.GPSampler,
        "cmaes": optuna.samplers.CmaEsSampler,
        "nsga2": optuna.samplers.NSGAIISampler,
    }


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](**json.loads(sys.argv[2]))))
