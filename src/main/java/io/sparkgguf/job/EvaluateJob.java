package io.sparkgguf.job;

import io.sparkgguf.calibrate.text.CalibrationText;
import io.sparkgguf.calibrate.text.Packing;
import io.sparkgguf.calibrate.text.TextSettings;
import io.sparkgguf.calibrate.text.TokenSequences;
import io.sparkgguf.evaluate.Divergence;
import io.sparkgguf.evaluate.Likelihood;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.job.work.Lease;
import io.sparkgguf.report.EvaluationReport;
import io.sparkgguf.report.ReportFile;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Measures how well models predict a text: one stage, in which each task takes a few sequences through the base and all
 * that are compared with it. Only sums come back, and one number for each scored token.
 */
public final class EvaluateJob {
    private final Session session;
    private final EvaluateSettings settings;
    private final Progress progress;
    private final Storage storage;
    private final Map<String, Double> stages = new LinkedHashMap<>();

    public EvaluateJob(Session session, EvaluateSettings settings, Progress progress) {
        this.session = session;
        this.settings = settings.renamed(session::everywhere);
        this.progress = progress;
        this.storage = session.storage();
    }

    /** Does it, and writes the report where one is asked for. */
    public EvaluationReport run() throws IOException {
        long start = System.nanoTime();
        List<Checkpoint> checkpoints = open();
        if (settings.output() == null) {
            return measure(checkpoints, start);
        }
        requireOutput(checkpoints);
        return Lease.holding(storage, settings.output(), lease -> {
            EvaluationReport report = measure(checkpoints, start);
            lease.renew();
            WholeFile.write(storage, settings.output(), out -> out.write(ReportFile.json(report)));
            return report;
        });
    }

    private EvaluationReport measure(List<Checkpoint> checkpoints, long start) throws IOException {
        RunnableModel base = RunnableModel.of(checkpoints.get(0));
        List<RunnableModel> models = new ArrayList<>();
        for (Checkpoint checkpoint : checkpoints.subList(1, checkpoints.size())) {
            models.add(requireComparable(RunnableModel.of(checkpoint), base));
        }
        TokenSequences text = text(checkpoints.get(0));
        List<String> warnings = new SeenText(storage, settings).warnings(checkpoints, text);
        List<Passage> passages = Passage.cut(text.tokens(), text.ends(), Passage.TOKENS);
        EvaluationTask task = new EvaluationTask(pinned(checkpoints), base, models);
        long memory = task.memory(passages.get(0).tokens().length, settings.context());
        progress.say("%s: %d sequences of %,d tokens through %d model(s); %,d MiB of memory for each task"
                .formatted(Version.TOOL, text.count(), settings.context(), models.size() + 1, (memory >> 20) + 1));
        session.requireRoom("evaluating a passage", memory, "fewer models at once");
        stages.put("read", seconds(start));

        session.context();
        long begun = System.nanoTime();
        List<EvaluationTask.Scores> scores = Stage.of("evaluate", passages, task)
                .cost(passage -> passage.tokens().length)
                .size(passage -> (models.size() + 1L) * passage.tokens().length, Progress.Unit.TOKENS)
                .memory(passage -> memory)
                .run(session, progress);
        stages.put("evaluate", seconds(begun));
        for (Checkpoint checkpoint : checkpoints) {
            checkpoint.requireUnchanged(storage);
        }
        return report(checkpoints, text, scores, memory, warnings);
    }

    private Storage pinned(List<Checkpoint> checkpoints) {
        Storage pinned = storage;
        for (Checkpoint checkpoint : checkpoints) {
            pinned = checkpoint.pin(pinned);
        }
        return pinned;
    }

    private List<Checkpoint> open() throws IOException {
        List<Checkpoint> checkpoints = new ArrayList<>();
        checkpoints.add(Checkpoint.open(storage, settings.model(), null));
        for (String file : settings.candidates()) {
            checkpoints.add(Checkpoint.open(storage, file, null));
        }
        return checkpoints;
    }

    private void requireOutput(List<Checkpoint> checkpoints) throws IOException {
        storage.requireFileName(settings.output());
        for (Checkpoint checkpoint : checkpoints) {
            if (checkpoint.reads(storage, settings.output())) {
                throw new InvalidInputException("Cannot write " + settings.output() + ": a model is read from it");
            }
        }
        for (String file : settings.text()) {
            if (storage.isSameFile(file, settings.output())) {
                throw new InvalidInputException("Cannot write " + settings.output() + ": the text is read from it");
            }
        }
        for (String file : settings.calibration()) {
            if (storage.isSameFile(file, settings.output())) {
                throw new InvalidInputException(
                        "Cannot write " + settings.output() + ": the calibration text is read from it");
            }
        }
    }

    private static RunnableModel requireComparable(RunnableModel model, RunnableModel base) {
        if (model.vocabulary() != base.vocabulary()) {
            throw new InvalidInputException("Cannot compare %s with %s: its vocabulary has %,d tokens, not %,d"
                    .formatted(model.name(), base.name(), model.vocabulary(), base.vocabulary()));
        }
        return model;
    }

    private TokenSequences text(Checkpoint base) throws IOException {
        TokenSequences text = CalibrationText.read(
                storage,
                base.model().metadata(),
                base.tokenizerFolder(),
                new TextSettings(
                        "evaluate",
                        settings.text(),
                        settings.tokenizer(),
                        settings.context(),
                        (long) settings.chunks() * settings.context(),
                        0,
                        Packing.LLAMA));
        text.notes().forEach(progress::say);
        return text;
    }

    private EvaluationReport report(
            List<Checkpoint> checkpoints,
            TokenSequences text,
            List<EvaluationTask.Scores> scores,
            long memory,
            List<String> warnings) {
        Likelihood base = new Likelihood();
        List<Divergence> divergences = new ArrayList<>();
        settings.candidates().forEach(file -> divergences.add(new Divergence(0)));
        for (EvaluationTask.Scores passage : scores) { // in the order of the text
            passage.base().forEach(base::merge);
            for (int model = 0; model < divergences.size(); model++) {
                passage.models().get(model).forEach(divergences.get(model)::merge);
            }
        }
        List<EvaluationReport.Model> models = new ArrayList<>();
        for (int i = 0; i < divergences.size(); i++) {
            models.add(model(checkpoints.get(i + 1), divergences.get(i).model(), comparison(divergences.get(i))));
        }
        long run = (long) text.tokens().length * checkpoints.size();
        return new EvaluationReport(
                Map.of("name", Version.TOOL, "version", Version.number()),
                Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
                new EvaluationReport.Text(settings.text(), settings.context(), text.count(), base.tokens()),
                model(checkpoints.get(0), base, null),
                models,
                stages,
                run / stages.get("evaluate"),
                memory,
                text.notes(),
                warnings);
    }

    private static EvaluationReport.Model model(
            Checkpoint checkpoint, Likelihood likelihood, EvaluationReport.Comparison comparison) {
        long weights = checkpoint.model().tensors().stream()
                .mapToLong(tensor -> tensor.shape().elements())
                .sum();
        return new EvaluationReport.Model(
                checkpoint.location(),
                checkpoint.tensorBytes(),
                8.0 * checkpoint.tensorBytes() / Math.max(1, weights),
                likelihood.perplexity(),
                likelihood.perplexityError(),
                comparison);
    }

    private static EvaluationReport.Comparison comparison(Divergence divergence) {
        double[] quantiles = divergence.quantiles(List.of(0.5, 0.9, 0.99, 0.999, 1.0));
        return new EvaluationReport.Comparison(
                divergence.logRatio(),
                divergence.logRatioError(),
                divergence.kld().mean(),
                divergence.kld().error(),
                quantiles[0],
                quantiles[1],
                quantiles[2],
                quantiles[3],
                quantiles[4],
                divergence.sameTop(),
                divergence.sameTopError(),
                divergence.deltaP().mean(),
                divergence.deltaP().error(),
                divergence.rmsDeltaP(),
                divergence.rmsDeltaPError());
    }

    private static double seconds(long start) {
        return (System.nanoTime() - start) / 1e9;
    }
}
