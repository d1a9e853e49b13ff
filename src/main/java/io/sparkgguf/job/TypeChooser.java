package io.sparkgguf.job;

import io.sparkgguf.calibrate.text.CalibrationText;
import io.sparkgguf.calibrate.text.Packing;
import io.sparkgguf.calibrate.text.TextSettings;
import io.sparkgguf.calibrate.text.TokenSequences;
import io.sparkgguf.gptq.RowSolver;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.work.Outputs;
import io.sparkgguf.job.work.WorkFolder;
import io.sparkgguf.job.work.WorkRun;
import io.sparkgguf.model.ModelTensor;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.quant.mix.Allocation;
import io.sparkgguf.quant.mix.Contest;
import io.sparkgguf.quant.mix.RoleEffect;
import io.sparkgguf.quant.mix.SizeTarget;
import io.sparkgguf.quant.mix.TensorOrder;
import io.sparkgguf.quant.mix.TypeChoices;
import io.sparkgguf.report.BudgetReport;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.ToLongFunction;

/**
 * Chooses the types of a file of given size: measures what each type would cost each tensor, and lets these compete.
 *
 * <p>The cost of a type is an estimate of the KL divergence that it brings about: the error of the tensor's outputs times the
 * effect of such an error on predictions, by measurement where there is text, else by the tensor's role. What is measured
 * stays in the work folder until the run is done, whatever size it is for.
 */
final class TypeChooser {
    /** What GPTQ leaves of the error of importance-weighted rounding, about; measured on a small llama, 2 to 4 bits. */
    private static final double LEFT_BY_GPTQ = 0.5;

    /** Tokens of a sequence on which effects are measured, at the most. */
    private static final int SEQUENCE = 512;

    private final Session session;
    private final QuantizeSettings settings;
    private final SizeTarget target;
    private final Progress progress;
    private final Storage storage;
    private final WorkFolder.Start start;

    /**
     * @param settings with a target
     * @param start whether to go on from what an earlier run measured; null when nothing is kept
     */
    TypeChooser(Session session, QuantizeSettings settings, Progress progress, WorkFolder.Start start) {
        this.session = session;
        this.settings = settings;
        target = settings.types().target();
        this.progress = progress;
        storage = session.storage();
        this.start = start;
    }

    /**
     * What was chosen.
     *
     * @param folder that holds what was measured, or null
     */
    record Chosen(TypeChoices choices, BudgetReport report, String folder) {
        /** Wall time of the choice. */
        double seconds() {
            return report.seconds().values().stream()
                    .mapToDouble(Double::doubleValue)
                    .sum();
        }
    }

    /** Where the model's text and importance come from, and what the file will be like. */
    record Source(
            Checkpoint checkpoint, ImportanceMatrix matrix, long alignment, ToLongFunction<TypeChoices> fileBytes) {}

    /** Measures and chooses. */
    Chosen choose(Contest contest, Source source) throws IOException {
        contest.requireReachable(source.fileBytes());
        TokenSequences text = text(source.checkpoint());
        TypeMeasuring measuring = new TypeMeasuring(
                session, settings, progress, source.checkpoint(), source.matrix(), text, contest.competitors());
        if (start == null) {
            return result(contest, source, measuring, measuring.run(null), text, null);
        }
        WorkFolder work = new WorkFolder(
                storage,
                settings.work(),
                settings.output(),
                QuantizeFingerprint.ofTypes(storage, settings, source.checkpoint(), text, measuring.items()));
        try (WorkRun run = new WorkRun(session, work, new Outputs(storage, List.of(), settings.reportFile()))) {
            return run.during(() -> {
                run.create(start, Results.JSON, progress);
                TypeMeasuring.Measured measured =
                        measuring.run(new RememberedStages(session, work.journal(), progress));
                work.requireOurs("choose types");
                return result(contest, source, measuring, measured, text, work.folder());
            });
        } catch (IOException | RuntimeException e) {
            if (work.isKept()) {
                progress.say("spark-gguf: what is measured stays in " + work.folder()
                        + "; the same command goes on from there, 'spark-gguf clean' removes it");
            }
            throw e;
        }
    }

    /** The text on which effects are measured; null for none. */
    private TokenSequences text(Checkpoint checkpoint) throws IOException {
        CalibrationSettings calibration = settings.calibration();
        List<String> files = !target.text().isEmpty() || calibration == null ? target.text() : calibration.files();
        if (files.isEmpty()) {
            return null;
        }
        int context = RunnableModel.of(checkpoint).config().context();
        long longest = Math.min(SEQUENCE, context > 0 ? context : SEQUENCE);
        TokenSequences text = CalibrationText.read(
                storage,
                checkpoint.model().metadata(),
                checkpoint.tokenizerFolder(),
                new TextSettings(
                        "measure effects",
                        files,
                        target.tokenizer() != null || calibration == null
                                ? target.tokenizer()
                                : calibration.tokenizer(),
                        (int) Math.min(longest, target.tokens()),
                        target.tokens(),
                        calibration == null ? 0 : calibration.seed(),
                        Packing.DOCUMENTS));
        text.notes().forEach(progress::say);
        return text;
    }

    private Chosen result(
            Contest contest,
            Source source,
            TypeMeasuring measuring,
            TypeMeasuring.Measured measured,
            TokenSequences text,
            String folder) {
        int layers = contest.competitors().stream()
                .flatMap(competitor -> competitor.tensors().stream())
                .mapToInt(name -> TensorOrder.layer(name).orElse(-1))
                .max()
                .orElse(0);
        Map<String, ModelTensor> tensors = source.checkpoint().tensorsByName();
        boolean tied = !tensors.containsKey("output.weight");
        Contest.Result result = contest.choose(
                (tensor, type) ->
                        left(tensor, type) * measured.divergence(tensor, type, RoleEffect.of(tensor, layers + 1, tied)),
                source.alignment(),
                source.fileBytes());
        return new Chosen(result.choices(), report(contest, result, measuring, measured, text), folder);
    }

    /** The share of rounding's error that the run's method leaves. */
    private double left(String tensor, BlockType type) {
        CalibrationSettings calibration = settings.calibration();
        boolean solved = settings.method() == Method.GPTQ
                && (LinearInput.of(tensor).isPresent() || calibration.head() && tensor.equals("output.weight"))
                && RowSolver.solves(type)
                && type.bitsPerElement() < calibration.minBits();
        return solved ? LEFT_BY_GPTQ : 1;
    }

    private BudgetReport report(
            Contest contest,
            Contest.Result result,
            TypeMeasuring measuring,
            TypeMeasuring.Measured measured,
            TokenSequences text) {
        Allocation allocation = result.allocation();
        List<BudgetReport.Choice> choices = new ArrayList<>();
        for (int i = 0; i < contest.competitors().size(); i++) {
            Allocation.Choice choice = allocation.choices().get(i);
            choices.add(new BudgetReport.Choice(
                    contest.competitors().get(i).tensors(),
                    choice.candidate().type(),
                    choice.candidate().bytes(),
                    ReportBuilder.significant(choice.candidate().error()),
                    ReportBuilder.significant(choice.gain()),
                    ReportBuilder.significant(choice.missed()),
                    allocation.candidates(i).stream()
                            .map(candidate -> new BudgetReport.Candidate(
                                    candidate.type(), candidate.bytes(), ReportBuilder.significant(candidate.error())))
                            .toList()));
        }
        return new BudgetReport(
                target.option(),
                result.limit(),
                result.size(),
                ReportBuilder.significant((double) result.size() / result.limit()),
                result.stop(),
                ReportBuilder.significant(allocation.error()),
                ReportBuilder.significant(allocation.bound()),
                allocation.isExact(),
                ReportBuilder.significant(allocation.price()),
                measuring.errorsBy(),
                text == null ? "the tensor's role" : "measured on text, a tensor at a time",
                text == null ? null : (long) text.tokens().length,
                measuring.memory(),
                measured.seconds(),
                choices);
    }
}
