package io.sparkgguf.job;

import io.sparkgguf.assemble.ByteRange;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.job.work.Inventory;
import io.sparkgguf.job.work.Noted;
import io.sparkgguf.job.work.Outputs;
import io.sparkgguf.job.work.WorkFolder;
import io.sparkgguf.job.work.WorkFolders;
import io.sparkgguf.job.work.WorkRun;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.PlannedTensor;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.report.Report;
import io.sparkgguf.report.ReportFile;
import io.sparkgguf.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * The main job: plan, quantize units, assemble, validate, publish.
 *
 * <p>Parts and unfinished files live in the work folder and under temporary names; the output gets its name when all of
 * it is validated. A run that fails, is told to end (SIGINT, SIGTERM), or is killed leaves its work folder alone, from
 * which the same run goes on.
 */
public final class QuantizeJob {
    /** The stage of plain units in the journal. */
    private static final String QUANTIZE = "quantize";

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

    /** Opens the source and plans; reads no weights and starts no Spark, but where types are chosen by size. */
    public Prepared prepare() throws IOException {
        return prepare(null);
    }

    /** @param start whether to go on from what an earlier run measured; null when nothing is kept */
    private Prepared prepare(WorkFolder.Start start) throws IOException {
        boolean chooses = settings.types().target() != null;
        return new Preparation(storage, settings, chooses ? new TypeChooser(session, settings, progress, start) : null)
                .prepare();
    }

    /** Does it all, from what an earlier run left if there is something. */
    public Report run() throws IOException {
        return run(WorkFolder.Start.ANY);
    }

    /**
     * Does it all.
     *
     * @param how whether to go on from what an earlier run left
     * @return the report, which is written beside the output too
     */
    public Report run(WorkFolder.Start how) throws IOException {
        Prepared prepared = timed("plan", () -> prepare(how));
        Plan plan = prepared.plan();
        if (prepared.chosen() != null) { // what it measured is what this run goes on from
            double choosing = prepared.chosen().seconds();
            stages.merge("plan", -choosing, Double::sum);
            stages.put("types", choosing);
        }
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
        work = new WorkFolder(storage, settings.work(), settings.output(), prepared.fingerprint());
        boolean plain = prepared.calibration() == null; // else later blocks read parts
        outputs = new Outputs(storage, plan.files(), settings.reportFile(), plain);
        try (WorkRun run = new WorkRun(session, work, outputs)) {
            Report report = run.during(() -> make(run, start(how, prepared), prepared));
            if (prepared.chosen() != null) {
                new WorkFolders(storage, settings.work())
                        .remove(prepared.chosen().folder());
            }
            return report;
        } finally {
            if (work.isKept()) {
                progress.say("spark-gguf: what is done stays in " + work.folder()
                        + "; the same command goes on from there, 'spark-gguf clean' removes it");
            }
        }
    }

    /** A run that resumes what was measured may have come no further. */
    private static WorkFolder.Start start(WorkFolder.Start asked, Prepared prepared) {
        boolean measured = prepared.chosen() != null && asked == WorkFolder.Start.RESUME;
        return measured ? WorkFolder.Start.ANY : asked;
    }

    private Report make(WorkRun run, WorkFolder.Start how, Prepared prepared) throws IOException {
        Plan plan = prepared.plan();
        run.create(how, Results.JSON, progress);
        timed("start", () -> start(plan));
        if (work.isResumed() && prepared.calibration() == null) {
            timed("check", () -> Inventory.check(session, storage, work.journal(), inPlace(plan), progress));
        }
        BlockLoop.Outcome loop = prepared.calibration() == null ? null : timed("calibrate", () -> calibrate(prepared));
        List<UnitResult> units = loop != null ? loop.units() : timed("quantize", () -> quantize(prepared));
        List<String> notes = timed("assemble", () -> assemble(prepared, units));
        List<Long> digests = timed("validate", () -> validate(prepared, units, notes));
        Report report = new ReportBuilder(session, settings, prepared, units, digests, stages, loop, notes).build();
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

    private BlockLoop.Outcome calibrate(Prepared prepared) throws IOException {
        return new BlockLoop(session, settings, prepared, work, progress).run();
    }

    private List<UnitResult> quantize(Prepared prepared) throws IOException {
        Plan plan = prepared.plan();
        UnitRunner runner = new UnitRunner(prepared.pin(storage), place(plan), settings.allowNonFinite());
        return new RememberedStages(session, work.journal(), progress)
                .run(
                        QUANTIZE,
                        QUANTIZE,
                        Stage.of(QUANTIZE, plan.units(), Noted.of(runner::run))
                                .describe(TensorNames.behind(
                                        QUANTIZE, plan.tensors().stream().map(PlannedTensor::name)))
                                .cost(WorkUnit::cost)
                                .size(unit -> unit.sourceBytes() + unit.bytes())
                                .memory(WorkUnit::memory),
                        QuantizeJob::item,
                        UnitResult.class);
    }

    private static String item(WorkUnit unit) {
        return Integer.toString(unit.id());
    }

    /** Where results go; whatever is wrong there later is noticed by its digest, and made again. */
    private UnitPlace place(Plan plan) throws IOException {
        List<String> files = IntStream.range(0, plan.files().size())
                .mapToObj(outputs::inPlace)
                .flatMap(Optional::stream)
                .toList();
        if (files.size() < plan.files().size()) {
            return UnitPlace.parts(storage.scratch(), work.parts(), QUANTIZE);
        }
        if (!session.isLocal()) {
            return UnitPlace.inPlace(storage, files); // each machine sees to it that what it wrote is on disk
        }
        work.journal().before(outputs::sync);
        return UnitPlace.inPlace(storage.scratch(), files);
    }

    /** What the journal says is written in place. */
    private List<Inventory.Range> inPlace(Plan plan) {
        List<Inventory.Range> ranges = new ArrayList<>();
        for (WorkUnit unit : plan.units()) {
            Optional<String> file = outputs.inPlace(unit.output());
            UnitResult result = work.journal().known(QUANTIZE, item(unit), UnitResult.class);
            if (file.isPresent() && result != null) {
                ranges.add(new Inventory.Range(
                        QUANTIZE, item(unit), file.get(), unit.offset(), unit.bytes(), result.digest()));
            }
        }
        return ranges;
    }

    private List<String> assemble(Prepared prepared, List<UnitResult> units) throws IOException {
        Assembly assembly = new Assembly(session, prepared.plan(), work, outputs, progress);
        assembly.run(
                units,
                Math.min(settings.unitMemory(), ByteRange.LENGTH),
                damaged -> makeAgain(prepared, damaged, units));
        return assembly.notes();
    }

    /** Makes results again that were lost or damaged after they had been written. */
    private void makeAgain(Prepared prepared, List<WorkUnit> damaged, List<UnitResult> units) throws IOException {
        for (WorkUnit unit : damaged) {
            work.journal().forget(QUANTIZE, item(unit));
            String part = units.get(unit.id()).part();
            if (part != null) {
                work.journal().forgetFile(work.part(part));
            }
        }
        List<UnitResult> again = prepared.calibration() == null
                ? quantize(prepared)
                : calibrate(prepared).units();
        for (WorkUnit unit : damaged) {
            long before = units.get(unit.id()).digest();
            long now = again.get(unit.id()).digest();
            if (now != before) {
                throw new IOException(
                        "Cannot make rows %d to %d of %s again: they have xxHash64 %016x, and had %016x before"
                                .formatted(
                                        unit.firstRow(), unit.firstRow() + unit.rows() - 1, unit.name(), now, before));
            }
        }
    }

    private List<Long> validate(Prepared prepared, List<UnitResult> units, List<String> notes) throws IOException {
        Validation validation = new Validation(session, prepared.plan(), work, outputs, progress);
        List<Long> digests = validation.run(units, damaged -> makeAgain(prepared, damaged, units));
        notes.addAll(validation.notes());
        return digests;
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
