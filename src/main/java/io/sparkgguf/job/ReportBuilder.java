package io.sparkgguf.job;

import io.sparkgguf.format.imatrix.ImatrixFile;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.kernel.Lanes;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.PlannedTensor;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.ErrorStats;
import io.sparkgguf.quant.TernaryCensus;
import io.sparkgguf.quant.mix.Rule;
import io.sparkgguf.quant.mix.TypeChoice;
import io.sparkgguf.report.CalibrationReport;
import io.sparkgguf.report.Report;
import io.sparkgguf.storage.Digest;
import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Puts the report of a run together from its plan and what the tasks told. */
final class ReportBuilder {
    private final Session session;
    private final QuantizeSettings settings;
    private final Prepared prepared;
    private final List<UnitResult> units;
    private final List<Long> digests;
    private final Map<String, Double> stages;
    private final BlockLoop.Outcome loop;
    private final List<String> notes;

    /**
     * @param units results by unit id
     * @param digests of the tensors' bytes, by tensor index
     * @param stages seconds of wall time by stage
     * @param loop what calibration came to, or null
     * @param notes what had to be done more than once
     */
    ReportBuilder(
            Session session,
            QuantizeSettings settings,
            Prepared prepared,
            List<UnitResult> units,
            List<Long> digests,
            Map<String, Double> stages,
            BlockLoop.Outcome loop,
            List<String> notes) {
        this.session = session;
        this.settings = settings;
        this.prepared = prepared;
        this.units = units;
        this.digests = digests;
        this.stages = stages;
        this.loop = loop;
        this.notes = notes;
    }

    Report build() throws IOException {
        Plan plan = prepared.plan();
        List<ErrorStats> errors = new ArrayList<>();
        long[] nonFinite = new long[plan.tensors().size()];
        plan.tensors().forEach(tensor -> errors.add(new ErrorStats()));
        for (WorkUnit unit : plan.units()) { // in file order, so that sums do not depend on the order of arrival
            UnitResult result = units.get(unit.id());
            errors.get(unit.tensor()).merge(result.error());
            nonFinite[unit.tensor()] += result.nonFinite();
        }
        List<Report.Tensor> tensors = new ArrayList<>();
        for (PlannedTensor tensor : plan.tensors()) {
            tensors.add(describe(tensor, errors.get(tensor.index()), nonFinite[tensor.index()]));
        }
        return new Report(
                Map.of("name", Version.TOOL, "version", Version.number()),
                Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
                source(),
                Preparation.outputs(plan),
                settings.asked(),
                tokenizer(),
                importance(),
                settings.method().label(),
                calibration(),
                prepared.chosen() == null ? null : prepared.chosen().report(),
                totals(errors, nonFinite),
                types(),
                tensors,
                warnings(nonFinite),
                rounded(stages),
                environment());
    }

    private Report.Source source() {
        Checkpoint checkpoint = prepared.checkpoint();
        return new Report.Source(
                checkpoint.location(),
                checkpoint.kind().label(),
                checkpoint.model().architecture(),
                checkpoint.files().stream()
                        .map(file -> new Report.SourceFile(file.file(), file.length(), file.modified()))
                        .toList());
    }

    private Map<String, String> tokenizer() {
        return prepared.checkpoint()
                .preTokenizer()
                .map(found -> Map.of("pre", found.id(), "reason", found.reason()))
                .orElse(null);
    }

    private Report.Importance importance() {
        ImportanceMatrix matrix = prepared.importance();
        if (matrix == null) {
            return null;
        }
        ImatrixFile file = matrix.file();
        int used = (int) prepared.plan().tensors().stream()
                .filter(tensor -> tensor.importance() != null)
                .count();
        return new Report.Importance(
                file.file(),
                file.legacy() ? "dat" : "gguf",
                file.datasets(),
                file.entries().size(),
                file.chunkCount() > 0 ? file.chunkCount() : null,
                used,
                matrix.unmatched());
    }

    private Report.Tensor describe(PlannedTensor tensor, ErrorStats error, long nonFinite) {
        TypeChoice choice = tensor.choice();
        boolean measured = BlockFormats.of(tensor.type()).decodes() && tensor.elements() > 0;
        return new Report.Tensor(
                tensor.name(),
                Arrays.stream(choice.shape().toArray()).boxed().toList(),
                tensor.source().encoding().label(),
                choice.type().label(),
                choice.rule().name(),
                choice.detail(),
                choice.wanted() == choice.type() ? null : choice.wanted().label(),
                prepared.plan().files().get(tensor.output()).file(),
                tensor.offset(),
                tensor.bytes(),
                choice.type().bitsPerElement(),
                measured ? significant(error.relativeRmse()) : null,
                measured ? significant(error.largestError()) : null,
                measured ? significant(error.cosine()) : null,
                ternary(tensor, error.ternary()),
                tensor.importance() != null,
                loop == null || !loop.tensors().containsKey(tensor.index())
                        ? null
                        : loop.tensors().get(tensor.index()).report(),
                nonFinite,
                Digest.hex(digests.get(tensor.index())));
    }

    /** What became of ternary weights; null for others. */
    private static Report.Ternary ternary(PlannedTensor tensor, TernaryCensus census) {
        if (tensor.source().shape().rank() < 2 || !census.isTernary()) {
            return null;
        }
        return new Report.Ternary(
                census.differing() == 0,
                census.smallestScale(),
                census.largestScale() == census.smallestScale() ? null : census.largestScale(),
                census.zeros(),
                census.differing(),
                census.flipped(),
                census.differing() == 0 ? null : significant(census.scaleUlps()));
    }

    private Report.Totals totals(List<ErrorStats> errors, long[] nonFinite) throws IOException {
        Plan plan = prepared.plan();
        ErrorStats all = new ErrorStats();
        errors.forEach(all::merge);
        double read = 0;
        double encode = 0;
        double write = 0;
        for (UnitResult unit : units) {
            read += unit.readNanos() / 1e9;
            encode += unit.encodeNanos() / 1e9;
            write += unit.writeNanos() / 1e9;
        }
        Map<String, Double> tasks = new LinkedHashMap<>();
        tasks.put("read", read);
        tasks.put("encode", encode);
        tasks.put("write", write);
        return new Report.Totals(
                plan.weights(),
                prepared.checkpoint().tensorBytes(),
                plan.tensorBytes(),
                significant(plan.bitsPerWeight()),
                significant(all.relativeRmse()),
                (int) plan.tensors().stream()
                        .filter(tensor -> tensor.choice().rule() == Rule.FALLBACK)
                        .count(),
                Arrays.stream(nonFinite).sum(),
                rounded(tasks),
                kernelShare(encode));
    }

    private Double kernelShare(double kernels) throws IOException {
        if (loop != null || stages.containsKey("check")) {
            return null;
        }
        double wall = stages.get("quantize") + stages.get("assemble") + stages.get("validate");
        return significant(kernels / (wall * session.cores()));
    }

    private List<Report.TypeTotal> types() {
        Map<BlockType, long[]> sums = new EnumMap<>(BlockType.class);
        for (PlannedTensor tensor : prepared.plan().tensors()) {
            long[] sum = sums.computeIfAbsent(tensor.type(), type -> new long[3]);
            sum[0]++;
            sum[1] += tensor.elements();
            sum[2] += tensor.bytes();
        }
        List<Report.TypeTotal> totals = new ArrayList<>();
        sums.forEach((type, sum) -> totals.add(new Report.TypeTotal(type.label(), (int) sum[0], sum[1], sum[2])));
        totals.sort((a, b) -> Long.compare(b.bytes(), a.bytes()));
        return totals;
    }

    private List<String> warnings(long[] nonFinite) {
        List<String> warnings = new ArrayList<>(prepared.warnings());
        if (loop != null) {
            warnings.addAll(loop.notes());
        }
        warnings.addAll(notes);
        for (PlannedTensor tensor : prepared.plan().tensors()) {
            if (nonFinite[tensor.index()] > 0) {
                warnings.add("%s: %d weight(s) were NaN or infinite and were taken as zero"
                        .formatted(tensor.name(), nonFinite[tensor.index()]));
            }
        }
        return warnings;
    }

    private CalibrationReport calibration() {
        return loop == null
                ? null
                : prepared.calibration()
                        .report(prepared.plan())
                        .measured(rounded(loop.seconds()), fallbacks(), loop.training(), loop.together());
    }

    /** Tensors that calibration was to improve and did not, with the reason. */
    private List<CalibrationReport.Fallback> fallbacks() {
        List<CalibrationReport.Fallback> fallbacks = new ArrayList<>();
        loop.tensors().forEach((index, outcome) -> {
            if (outcome.reason() != null) {
                fallbacks.add(new CalibrationReport.Fallback(
                        prepared.plan().tensors().get(index).name(), outcome.reason()));
            }
        });
        return fallbacks;
    }

    private Map<String, Object> environment() throws IOException {
        Map<String, Object> environment = new LinkedHashMap<>();
        environment.put("java", System.getProperty("java.vm.name") + " " + System.getProperty("java.runtime.version"));
        environment.put("spark", session.context().version());
        environment.put("hadoop", org.apache.hadoop.util.VersionInfo.getVersion());
        environment.put("os", System.getProperty("os.name") + " " + System.getProperty("os.arch"));
        environment.put("master", session.master());
        environment.put("cores", session.cores());
        environment.put("taskHeap", session.taskHeap());
        environment.put("tasks", session.fits());
        environment.put("vectorBits", Lanes.WIDTH * Float.SIZE);
        return environment;
    }

    private static Map<String, Double> rounded(Map<String, Double> seconds) {
        Map<String, Double> rounded = new LinkedHashMap<>();
        seconds.forEach((name, value) -> rounded.put(name, Math.round(value * 1000) / 1000.0));
        return rounded;
    }

    /** Six significant digits: what sums over differently cut slices agree on. */
    static double significant(double value) {
        return Double.isFinite(value)
                ? new java.math.BigDecimal(value)
                        .round(new java.math.MathContext(6))
                        .doubleValue()
                : value;
    }
}
