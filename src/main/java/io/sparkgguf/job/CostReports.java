package io.sparkgguf.job;

import io.sparkgguf.plan.RunCost;
import io.sparkgguf.plan.StageCost;
import io.sparkgguf.report.CostReport;
import java.util.ArrayList;
import java.util.List;

/** What a run takes, as reports have it. */
final class CostReports {
    private CostReports() {}

    /** @param cluster null when none was asked about */
    static CostReport of(RunCost cost, PlannedCluster cluster) {
        List<CostReport.Stage> stages = new ArrayList<>();
        long read = 0;
        long written = 0;
        long memory = 0;
        for (RunCost.Kind kind : cost.kinds().values()) {
            StageCost sum = kind.sum();
            read += sum.read();
            written += sum.written();
            memory = Math.max(memory, sum.memory());
            stages.add(new CostReport.Stage(
                    sum.kind(),
                    kind.stages(),
                    sum.tasks(),
                    seconds(sum.coreSeconds()),
                    seconds(kind.criticalSeconds()),
                    seconds(sum.longestSeconds()),
                    sum.memory(),
                    sum.read(),
                    sum.written(),
                    cluster == null ? null : cluster.atOnce(sum.memory()),
                    cluster == null ? null : seconds(cost.seconds(cluster, sum.kind()))));
        }
        return new CostReport(
                seconds(cost.coreSeconds()),
                seconds(cost.criticalSeconds()),
                cost.driverMemory(),
                memory,
                read,
                written,
                cost.workBytes(),
                cost.resultBytes(),
                stages,
                cluster == null
                        ? null
                        : new CostReport.Cluster(
                                cluster.executors(),
                                cluster.executorMemory(),
                                cluster.cores(),
                                cluster.driverMemory(),
                                cluster.bandwidth(),
                                seconds(cost.seconds(cluster))));
    }

    private static double seconds(double exact) {
        return Math.round(exact * 1000) / 1000.0;
    }
}
