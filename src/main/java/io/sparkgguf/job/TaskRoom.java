package io.sparkgguf.job;

import io.sparkgguf.job.stage.Session;
import io.sparkgguf.plan.Plan;
import java.util.Map;

/** Whether the tasks of a run fit into the processes that are to run them. Asked before a weight is read. */
final class TaskRoom {
    private TaskRoom() {}

    /** @throws io.sparkgguf.tensor.InvalidInputException when one does not, saying what would do */
    static void require(Session session, Prepared prepared) {
        Plan plan = prepared.plan();
        CalibrationPlan calibration = prepared.calibration();
        if (calibration != null) {
            calibration.memory(plan, calibration.blocks(plan)).forEach((kind, bytes) -> {
                Kind told = KINDS.getOrDefault(kind, new Kind("calibration's step '" + kind + "'", LESS_TILES));
                session.requireRoom(told.what(), bytes, told.remedy());
            });
        }
        session.requireRoom(
                calibration == null ? "quantizing a work unit" : "rounding or solving a work unit",
                plan.peakUnitMemory(),
                calibration == null ? "a smaller --unit-memory" : "a smaller --unit-memory and --solve-memory");
    }

    private static final String LESS_TILES = "a smaller --hessian-memory";

    private record Kind(String what, String remedy) {}

    private static final Map<String, Kind> KINDS = Map.of(
            "forward",
            new Kind("taking a batch of tokens through a block", null),
            "inputs",
            new Kind("seeing what a block's layers read", null),
            "hessians",
            new Kind("summing Hessians", LESS_TILES),
            "factors",
            new Kind("factoring a Hessian", LESS_TILES),
            "teach",
            new Kind("taking a batch of tokens through an original block", null),
            "train",
            new Kind("training a whole block", "--qat-spread sequences, which shares its steps out"),
            "gradients",
            new Kind("the gradient of a sequence through a block", "a shorter --sequence-length"),
            TrainingStages.MODEL,
            new Kind("the gradient of a sequence through all blocks", "--qat-model-steps 0"),
            "layers",
            new Kind("a step of the largest layer of a block", null));
}
