package io.sparkgguf.cli;

import io.sparkgguf.job.Prepared;
import io.sparkgguf.plan.OutputFile;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.PlannedTensor;
import io.sparkgguf.report.CalibrationReport;
import io.sparkgguf.report.PlanReport;
import io.sparkgguf.report.ReportFile;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.stream.Collectors;

/** A plan for people, or in JSON. */
final class PlanPrinter {
    private PlanPrinter() {}

    static void print(Prepared prepared, boolean json, PrintWriter out) {
        if (json) {
            out.print(new String(ReportFile.json(prepared.planReport()), StandardCharsets.UTF_8));
            out.flush();
            return;
        }
        Plan plan = prepared.plan();
        out.printf("%-40s %-22s %-8s %-8s %12s  %s%n", "tensor", "shape", "from", "to", "bytes", "why");
        for (PlannedTensor tensor : plan.tensors()) {
            out.printf(
                    "%-40s %-22s %-8s %-8s %,12d  %s%n",
                    tensor.name(),
                    tensor.source().shape(),
                    tensor.source().encoding().label(),
                    tensor.type().label(),
                    tensor.bytes(),
                    tensor.choice().detail());
        }
        PlanReport report = prepared.planReport();
        out.println();
        report.warnings().forEach(warning -> out.println("warning: " + warning));
        for (OutputFile file : plan.files()) {
            out.printf(
                    "%s: %d tensors, %s, header %s%n",
                    file.file(), file.tensors(), ByteSize.text(file.length()), ByteSize.text(file.header().length));
        }
        out.printf(
                "%,d weights, %s -> %s, %.2f bits per weight%n",
                plan.weights(),
                ByteSize.text(report.sourceBytes()),
                ByteSize.text(plan.fileBytes()),
                plan.bitsPerWeight());
        out.printf(
                "%,d work units, at most %s of memory each, about %s of one core%n",
                plan.units().size(), ByteSize.text(plan.peakUnitMemory()), duration(plan.coreSeconds()));
        CalibrationReport calibration = report.calibration();
        if (calibration != null) {
            out.printf(
                    "calibration: %,d tokens in %,d sequences of %,d (%,d tokens held out), %d shards; %d tensors solved, %d"
                            + " weighted%n",
                    calibration.tokens(),
                    calibration.sequences(),
                    calibration.sequenceLength(),
                    calibration.heldOutTokens(),
                    calibration.shards(),
                    calibration.solved(),
                    calibration.weighted());
            out.printf(
                    "memory of a task at its peak: %s; work folder: up to %s besides parts%n",
                    calibration.memory().entrySet().stream()
                            .map(task -> task.getKey() + " " + ByteSize.text(task.getValue()))
                            .collect(Collectors.joining(", ")),
                    ByteSize.text(calibration.diskBytes()));
        }
        out.flush();
    }

    /** For people: {@code 12 s}, {@code 3 min 20 s}, {@code 5 h 12 min}. */
    static String duration(double seconds) {
        long whole = Math.round(seconds);
        if (whole < 60) {
            return String.format(java.util.Locale.ROOT, "%.1f s", seconds);
        }
        if (whole < 3600) {
            return whole / 60 + " min " + whole % 60 + " s";
        }
        return whole / 3600 + " h " + whole % 3600 / 60 + " min";
    }
}
