package io.sparkgguf.job;

import io.sparkgguf.assemble.ByteRange;
import io.sparkgguf.assemble.Piece;
import io.sparkgguf.assemble.RangeCopier;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.job.work.Outputs;
import io.sparkgguf.job.work.WorkFolder;
import io.sparkgguf.job.work.WorkRun;
import io.sparkgguf.plan.OutputFile;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.PlannedTensor;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.report.Report;
import io.sparkgguf.report.ReportFile;
import io.sparkgguf.storage.FileCommit;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.validate.TensorRange;
import io.sparkgguf.validate.TensorReader;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * The main job: plan, quantize units, assemble, validate, publish.
 *
 * <p>Parts and unfinished files live in the work folder and under temporary names; the output gets its name when all of
 * it is validated. A run that fails, or is told to end (SIGINT, SIGTERM), leaves nothing behind.
 */
public final class QuantizeJob {
    private final Session session;
    private final QuantizeSettings settings;
    private final Progress progress;
    private final Storage storage;
    private final Map<String, Double> stages = new LinkedHashMap<>();
    private WorkFolder work;
    private Outputs outputs;

    public QuantizeJob(Session session, QuantizeSettings settings, Progress progress) {
        this.session = session;
        this.settings = settings.renamed(session::everywhere);
        this.progress = progress;
        this.storage = session.storage();
    }

    /** Opens the source and plans; reads no weights and starts no Spark. */
    public Prepared prepare() throws IOException {
        return new Preparation(storage, settings).prepare();
    }

    /**
     * Does it all.
     *
     * @return the report, which is written beside the output too
     */
    public Report run() throws IOException {
        Prepared prepared = timed("plan", this::prepare);
        Plan plan = prepared.plan();
        progress.say("%s: %s %s, %d tensors, %,d weights; %d work units, %.2f bits per weight"
                .formatted(
                        Version.TOOL,
                        prepared.checkpoint().model().architecture(),
                        prepared.checkpoint().kind().label(),
                        plan.tensors().size(),
                        plan.weights(),
                        plan.units().size(),
                        plan.bitsPerWeight()));
        TaskRoom.require(session, prepared);
        work = new WorkFolder(storage, settings.work());
        outputs = new Outputs(storage, plan.files(), settings.reportFile());
        try (WorkRun run = new WorkRun(session, work, outputs)) {
            return run.during(() -> make(run, prepared));
        } finally {
            if (work.isKept()) {
                progress.say("spark-gguf: what is done stays in " + settings.work()
                        + "; the same command goes on from there");
            }
        }
    }

    private Report make(WorkRun run, Prepared prepared) throws IOException {
        Plan plan = prepared.plan();
        run.create(progress, prepared.calibration() == null ? null : Fingerprint.of(settings, prepared));
        timed("start", () -> start(plan));
        BlockLoop.Outcome loop = prepared.calibration() == null
                ? null
                : timed("calibrate", () -> new BlockLoop(session, settings, prepared, work, progress).run());
        List<UnitResult> units = loop != null ? loop.units() : timed("quantize", () -> quantize(prepared));
        timed("assemble", () -> assemble(plan));
        List<Long> digests = timed("validate", () -> validate(plan, units));
        Report report = new ReportBuilder(session, settings, prepared, units, digests, stages, loop).build();
        prepared.pin(storage).requireUnchanged();
        outputs.publish(work, ReportFile.json(report));
        return report;
    }

    private JavaSparkContext start(Plan plan) throws IOException {
        if (!session.isLocal()) {
            return session.context();
        }
        try (KernelWarmUp warmUp = KernelWarmUp.start(plan)) {
            return session.context();
        }
    }

    private List<UnitResult> quantize(Prepared prepared) throws IOException {
        Plan plan = prepared.plan();
        UnitRunner runner = new UnitRunner(prepared.pin(storage), work.parts(), settings.allowNonFinite());
        return Stage.of("quantize", plan.units(), runner::run)
                .describe(TensorNames.behind("quantize", plan.tensors().stream().map(PlannedTensor::name)))
                .cost(WorkUnit::cost)
                .size(unit -> unit.sourceBytes() + unit.bytes())
                .memory(WorkUnit::memory)
                .run(session, progress);
    }

    private Void assemble(Plan plan) throws IOException {
        List<ByteRange> ranges = new ArrayList<>();
        for (int file = 0; file < plan.files().size(); file++) {
            OutputFile output = plan.files().get(file);
            try (OutputStream header = storage.create(work.header(file))) {
                header.write(output.header());
            }
            List<Piece> pieces = new ArrayList<>();
            pieces.add(new Piece(work.header(file), 0, 0, output.header().length));
            for (WorkUnit unit : plan.units()) {
                if (unit.output() == file) {
                    pieces.add(new Piece(work.part(unit.id()), 0, unit.offset(), unit.bytes()));
                }
            }
            FileCommit commit = outputs.commits().get(file);
            long length = commit.mostRanges() == 1 ? output.length() : ByteRange.LENGTH;
            ranges.addAll(ByteRange.cut(file, output.length(), length, pieces));
        }
        RangeCopier copier = new RangeCopier(
                storage, outputs.commits().stream().map(FileCommit::sink).toList());
        List<String> receipts = Stage.of("assemble", ranges, copier::run)
                .cost(ByteRange::length)
                .size(ByteRange::length)
                .run(session, progress);
        for (int file = 0; file < plan.files().size(); file++) {
            List<String> own = new ArrayList<>();
            for (int i = 0; i < ranges.size(); i++) {
                if (ranges.get(i).output() == file) {
                    own.add(receipts.get(i));
                }
            }
            outputs.commits().get(file).seal(own);
        }
        return null;
    }

    private List<Long> validate(Plan plan, List<UnitResult> units) throws IOException {
        for (int file = 0; file < plan.files().size(); file++) {
            FileChecks.requireAsPlanned(storage, readable(file), plan, file);
        }
        List<List<TensorRange.Slice>> slices = new ArrayList<>();
        plan.tensors().forEach(tensor -> slices.add(new ArrayList<>()));
        for (WorkUnit unit : plan.units()) {
            slices.get(unit.tensor())
                    .add(new TensorRange.Slice(
                            unit.bytes(), units.get(unit.id()).digest()));
        }
        List<TensorRange> ranges = new ArrayList<>();
        for (PlannedTensor tensor : plan.tensors()) {
            ranges.add(new TensorRange(
                    tensor.name(),
                    tensor.type(),
                    readable(tensor.output()),
                    tensor.offset(),
                    tensor.bytes(),
                    slices.get(tensor.index())));
        }
        TensorReader reader = new TensorReader(storage);
        return Stage.of("validate", ranges, reader::run)
                .cost(TensorRange::bytes)
                .size(TensorRange::bytes)
                .run(session, progress);
    }

    private String readable(int file) {
        return outputs.commits().get(file).readable().orElseThrow();
    }

    private interface Step<R> {
        R run() throws IOException;
    }

    private <R> R timed(String stage, Step<R> step) throws IOException {
        long start = System.nanoTime();
        R result = step.run();
        stages.put(stage, (System.nanoTime() - start) / 1e9);
        return result;
    }
}
