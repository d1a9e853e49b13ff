package io.sparkgguf.job;

import io.sparkgguf.plan.Cluster;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.RunCost;
import io.sparkgguf.report.PlanReport;
import io.sparkgguf.tensor.Metadata;
import java.util.List;

/**
 * A run before its first weight is read.
 *
 * @param checkpoint the source
 * @param metadata all that the output will say
 * @param plan all that will be done
 * @param importance the importance matrix, or null
 * @param calibration how blocks are calibrated, or null for a run without
 * @param warnings what will not be as asked
 * @param cost what it will take
 * @param planReport the same for machines
 */
public record Prepared(
        Checkpoint checkpoint,
        Metadata metadata,
        Plan plan,
        ImportanceMatrix importance,
        CalibrationPlan calibration,
        List<String> warnings,
        RunCost cost,
        PlanReport planReport) {

    /** The plan for machines, with what it would come to on a cluster. */
    public PlanReport planReport(Cluster cluster) {
        return planReport.withCost(CostReports.of(cost, cluster));
    }
}
