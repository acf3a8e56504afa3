"""The tuner that evaluates cells."""

import keras_tuner

from nasnet_keras.search.oracles.trials import CURVE


class CellTuner(keras_tuner.Tuner):
    """Runs the trials of an oracle over a `NASNetSpace`.

    Args:
        oracle: `SpaceOracle` whose space has `to_genotype`.
        evaluator: `Evaluator`; `TrainFromScratch` is one.
        directory: Path of the folder above the project's.
        project_name: Name of the project's folder. It holds
            `trials.jsonl`, one line for each ended trial.
        after_trial: Optional function of the `Trial`, called when it ended.

    Raises:
        ValueError: If the evaluator does not take all that is decided.

    Example:

        dataset = load_dataset("digits")
        oracle = PPOOracle(NASNetSpace(), max_trials=40)
        tuner = CellTuner(oracle, TrainFromScratch(dataset), "runs", "first")
        tuner.search()
        tuner.best_genotypes()[0]
    """

    def __init__(
        self,
        oracle,
        evaluator,
        directory=None,
        project_name=None,
        after_trial=None,
    ):
        evaluator.check(oracle.space)
        self.evaluator = evaluator
        self.after_trial = after_trial
        super().__init__(oracle, directory=directory, project_name=project_name)

    def run_trial(self, trial, verbose=None):
        """Evaluates one trial; returns its metrics, `reward` among them.

        Args:
            trial: The `Trial`.
            verbose: What `search(verbose=...)` hands on; the oracle heeds it.
        """
        settings = self.oracle.space.to_settings(trial.hyperparameters.values)
        found = self.evaluator(self._genotype(trial), **settings)
        for epoch, accuracy in enumerate(found.curve):
            self.oracle.update_trial(
                trial.trial_id, {CURVE: accuracy}, step=epoch
            )
        return {"reward": found.reward, **found.measurements}

    def search(self, *args, **kwargs):
        """Runs the trials that are still to be run."""
        self.oracle.restore()
        self.evaluator.resume(self.oracle.folder, self.oracle.records)
        super().search(*args, **kwargs)

    def _genotype(self, trial):
        return self.oracle.space.to_genotype(trial.hyperparameters.values)

    def on_trial_end(self, trial):
        """Hands the ended trial to the oracle."""
        super().on_trial_end(trial)
        if self.after_trial:
            self.after_trial(self.oracle.get_trial(trial.trial_id))

    def best_genotypes(self, number=1):
        """Returns the genotypes of the best completed trials, best first."""
        trials = [
            trial
            for trial in self.oracle.get_best_trials(number)
            if trial.score is not None
        ]
        return [self._genotype(trial) for trial in trials]

    def save(self):
        """Does nothing: all state is the oracle's, which is always on disk."""

    def reload(self):
        """Takes up the search in the project's folder."""
        self.oracle.restore()
