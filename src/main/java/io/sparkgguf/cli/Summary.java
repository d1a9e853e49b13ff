package io.sparkgguf.cli;

import io.sparkgguf.job.Method;
import io.sparkgguf.job.QuantizeSettings;
import io.sparkgguf.report.CalibrationReport;
import io.sparkgguf.report.Report;
import java.io.PrintWriter;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** What a person wants to know at the end of a run. */
final class Summary {
    private static final int WORST = 5;

    private Summary() {}

    static void print(Report report, QuantizeSettings settings, boolean quiet, PrintWriter out, PrintWriter err) {
        report.warnings().forEach(warning -> err.println("warning: " + warning));
        err.flush();
        if (quiet) {
            return;
        }
        Report.Totals totals = report.totals();
        long bytes = report.outputs().stream().mapToLong(Report.Output::bytes).sum();
        for (Report.Output file : report.outputs()) {
            out.printf("%s  %s, %d tensors, validated%n", file.file(), ByteSize.text(file.bytes()), file.tensors());
        }
        out.printf(
                Locale.ROOT,
                "  size            %s -> %s (%.1f %%), %.2f bits per weight%n",
                ByteSize.text(totals.sourceBytes()),
                ByteSize.text(bytes),
                100.0 * bytes / Math.max(1, totals.sourceBytes()),
                totals.bitsPerWeight());
        if (report.budget() != null) {
            out.printf("  target          %s%n", PlanPrinter.summary(report.budget()));
        }
        out.printf("  types           %s%n", types(report.types()));
        out.printf("  method          %s%n", method(report));
        if (report.calibration() != null && report.calibration().training() != null) {
            out.printf("  training        %s%n", training(report.calibration().training()));
            CalibrationReport.TrainedModel together = report.calibration().together();
            if (together != null) {
                out.printf(
                        Locale.ROOT,
                        "  all together    %s after %d of %d steps; held-out divergence %.4g, before %.4g%n",
                        together.end(),
                        together.bestStep(),
                        together.steps(),
                        together.after(),
                        together.before());
            }
        }
        List<Report.Tensor> worst = worst(report.tensors());
        out.printf(
                Locale.ROOT,
                "  relative error  %.4f overall%s%n",
                totals.relativeError(),
                worst.isEmpty() ? "" : "; worst:");
        worst.forEach(tensor ->
                out.printf(Locale.ROOT, "    %.4f  %-30s %s%n", tensor.relativeError(), tensor.name(), tensor.type()));
        double wall = report.stages().values().stream()
                .mapToDouble(Double::doubleValue)
                .sum();
        out.printf("  time            %s (%s)%n", PlanPrinter.duration(wall), stages(report));
        out.printf("  report          %s%n", settings.reportFile());
        out.flush();
    }

    /** How weights were rounded, on what, and what came of it. */
    private static String method(Report report) {
        String name = Method.valueOf(report.method().toUpperCase(Locale.ROOT)).words();
        CalibrationReport seen = report.calibration();
        if (seen == null) {
            return report.importance() == null
                    ? name + ", for no --calibration text and no --imatrix was given"
                    : name + ", by " + report.importance().file();
        }
        return "%s, %,d tokens in sequences of %,d, %,d of them held out; %d tensors solved, %d weighted, %d not as asked%n"
                        .formatted(
                                name,
                                seen.tokens(),
                                seen.sequenceLength(),
                                seen.heldOutTokens(),
                                seen.solved(),
                                seen.weighted(),
                                seen.fallbacks().size())
                + "  calibration     "
                + seen.seconds().entrySet().stream()
                        .map(stage -> stage.getKey() + " " + PlanPrinter.duration(stage.getValue()))
                        .collect(Collectors.joining(", "));
    }

    private static String training(List<CalibrationReport.TrainedBlock> blocks) {
        Map<String, Long> ends = blocks.stream()
                .collect(Collectors.groupingBy(
                        CalibrationReport.TrainedBlock::end, TreeMap::new, Collectors.counting()));
        long improved = ends.getOrDefault("improved", 0L);
        double share = blocks.stream()
                .filter(block -> block.before() != null && block.before() > 0)
                .mapToDouble(block -> block.after() / block.before())
                .average()
                .orElse(1);
        return String.format(
                Locale.ROOT,
                "%d of %d blocks improved, %d kept what GPTQ made, %d diverged; held-out error %.3f of GPTQ's on average",
                improved,
                blocks.size(),
                ends.getOrDefault("kept", 0L),
                ends.getOrDefault("diverged", 0L),
                share);
    }

    private static String types(List<Report.TypeTotal> types) {
        return types.stream()
                .map(total -> total.tensors() + " x " + total.type())
                .collect(Collectors.joining(", "));
    }

    private static List<Report.Tensor> worst(List<Report.Tensor> tensors) {
        return tensors.stream()
                .filter(tensor -> tensor.relativeError() != null && tensor.relativeError() > 0)
                .sorted(Comparator.comparing(Report.Tensor::relativeError).reversed())
                .limit(WORST)
                .toList();
    }

    private static String stages(Report report) {
        return report.stages().entrySet().stream()
                .map(stage -> stage.getKey() + " " + PlanPrinter.duration(stage.getValue()))
                .collect(Collectors.joining(", "));
    }
}
