package io.sparkgguf.job;

import io.sparkgguf.job.work.Fingerprint;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.RunCost;
import io.sparkgguf.report.PlanReport;
import io.sparkgguf.storage.PinnedStorage;
import io.sparkgguf.storage.Storage;
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
 * @param fingerprint of all that decides the result
 * @param warnings what will not be as asked
 * @param cost what it will take
 * @param planReport the same for machines
 * @param chosen what came of choosing types by size, or null
 */
public record Prepared(
        Checkpoint checkpoint,
        Metadata metadata,
        Plan plan,
        ImportanceMatrix importance,
        CalibrationPlan calibration,
        Fingerprint fingerprint,
        List<String> warnings,
        RunCost cost,
        PlanReport planReport,
        TypeChooser.Chosen chosen) {

    /** The plan for machines, with what it would come to on a cluster. */
    public PlanReport planReport(PlannedCluster cluster) {
        return planReport.withCost(CostReports.of(cost, cluster));
    }

    /** The storage for tasks: what they make comes from the files that were planned with, or from none. */
    PinnedStorage pin(Storage storage) {
        PinnedStorage pinned = checkpoint.pin(storage);
        return importance == null ? pinned : PinnedStorage.of(pinned, List.of(importance.status()));
    }
}
