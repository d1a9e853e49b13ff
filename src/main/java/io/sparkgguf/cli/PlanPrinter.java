package io.sparkgguf.cli;

import io.sparkgguf.job.PlannedCluster;
import io.sparkgguf.job.Prepared;
import io.sparkgguf.plan.OutputFile;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.PlannedTensor;
import io.sparkgguf.report.BudgetReport;
import io.sparkgguf.report.CalibrationReport;
import io.sparkgguf.report.CostReport;
import io.sparkgguf.report.PlanReport;
import io.sparkgguf.report.ReportFile;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** A plan for people, or in JSON. */
final class PlanPrinter {
    private PlanPrinter() {}

    /** @param cluster null when none was asked about */
    static void print(Prepared prepared, PlannedCluster cluster, boolean json, PrintWriter out) {
        PlanReport report = prepared.planReport(cluster);
        if (json) {
            out.print(new String(ReportFile.json(report), StandardCharsets.UTF_8));
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
                "%,d work units, at most %s of memory each%n",
                plan.units().size(), ByteSize.text(plan.peakUnitMemory()));
        if (report.budget() != null) {
            print(report.budget(), out);
        }
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
        }
        print(report.cost(), out);
        out.flush();
    }

    /** What types were chosen for a size, and what a byte is worth. */
    private static void print(BudgetReport budget, PrintWriter out) {
        out.printf(
                "%n%-60s %-8s %12s %11s %14s %14s%n",
                "chosen", "type", "bytes", "error", "less: per MiB", "more: per MiB");
        for (BudgetReport.Choice choice : budget.choices()) {
            out.printf(
                    Locale.ROOT,
                    "%-60s %-8s %,12d %11.3e %14.3e %14.3e%n",
                    String.join(" ", choice.tensors()),
                    choice.type(),
                    choice.bytes(),
                    choice.error(),
                    choice.gain() * (1 << 20),
                    choice.missed() * (1 << 20));
        }
        out.println(summary(budget));
    }

    /** One line: how much of the size was used, what error is to be expected, and what a byte is worth. */
    static String summary(BudgetReport budget) {
        return "%s: %,d of %,d bytes, %.2f %%; expected divergence %.5f (%s), %.2e for a MiB; %s"
                .formatted(
                        budget.target(),
                        budget.bytes(),
                        budget.limitBytes(),
                        100 * budget.used(),
                        budget.error(),
                        budget.effects(),
                        budget.price() * (1 << 20),
                        budget.stop());
    }

    private static void print(CostReport cost, PrintWriter out) {
        boolean clustered = cost.cluster() != null;
        out.printf(
                "%n%-10s %9s %14s %14s %12s %12s %12s%s%n",
                "stage",
                "tasks",
                "time of a core",
                "longest task",
                "memory",
                "reads",
                "writes",
                clustered ? String.format("  %-8s %12s", "at once", "wall time") : "");
        for (CostReport.Stage stage : cost.stages()) {
            out.printf(
                    "%-10s %,9d %14s %14s %12s %12s %12s%s%n",
                    stage.kind(),
                    stage.tasks(),
                    duration(stage.coreSeconds()),
                    duration(stage.longestSeconds()),
                    ByteSize.text(stage.memory()),
                    ByteSize.text(stage.readBytes()),
                    ByteSize.text(stage.writtenBytes()),
                    clustered ? String.format("  %-8d %12s", stage.atOnce(), duration(stage.seconds())) : "");
        }
        out.printf(
                "about %.1f core-hours; with any number of cores %s%n",
                cost.coreSeconds() / 3600, duration(cost.criticalSeconds()));
        out.printf(
                "a task holds at most %s, the driver %s; the work folder holds at most %s; tasks tell the driver %s; nothing"
                        + " is shuffled%n",
                ByteSize.text(cost.taskMemory()),
                ByteSize.text(cost.driverMemory()),
                ByteSize.text(cost.workBytes()),
                ByteSize.text(cost.resultBytes()));
        if (clustered) {
            CostReport.Cluster cluster = cost.cluster();
            out.printf(
                    "on %d executors of %s and %d cores, each task moving %s a second: about %s%n",
                    cluster.executors(),
                    ByteSize.text(cluster.executorMemory()),
                    cluster.cores(),
                    ByteSize.text(cluster.bandwidth()),
                    duration(cluster.seconds()));
        }
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
