package io.sparkgguf.report;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;
import java.util.Map;

/**
 * Which inputs a run has seen, or would see.
 *
 * @param files the texts
 * @param tokens taken from them
 * @param sequences that they make
 * @param sequenceLength tokens of a sequence
 * @param trainingTokens that make Hessians
 * @param heldOutTokens that judge
 * @param shards tasks of a stage that takes tokens through a block
 * @param solved tensors that get GPTQ
 * @param weighted tensors that are rounded with the importance of their inputs
 * @param memory bytes that a task of each kind holds at its peak
 * @param diskBytes bytes that the work folder holds at the most, beside the parts and what says that a block is done
 * @param seconds of wall time by kind of stage, over all blocks; null in a plan
 * @param fallbacks tensors that calibration was to improve and did not; null in a plan
 * @param training what became of each block that was trained; null in a plan and without training
 * @param together what became of all blocks that were trained together behind that; null when they were not
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record CalibrationReport(
        List<String> files,
        long tokens,
        int sequences,
        int sequenceLength,
        long trainingTokens,
        long heldOutTokens,
        int shards,
        int solved,
        int weighted,
        Map<String, Long> memory,
        long diskBytes,
        Map<String, Double> seconds,
        List<Fallback> fallbacks,
        List<TrainedBlock> training,
        TrainedModel together) {

    /** @param reason one line */
    public record Fallback(String tensor, String reason) {}

    /**
     * A block that was trained.
     *
     * @param layers that were trained
     * @param end {@code improved}, {@code kept} (nothing was better than the start) or {@code diverged} (an error was no finite
     *     number; the block has what was best until then, if not its start)
     * @param steps that were made
     * @param bestStep behind which it was best; 0 for the start
     * @param before mean squared error of held-out tokens at the start, relative to their targets
     * @param after of what it has now
     * @param heldOut the error at each measurement, relative to the start's
     * @param seconds of wall time in its training
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record TrainedBlock(
            int block,
            List<String> layers,
            String end,
            int steps,
            int bestStep,
            Double before,
            Double after,
            List<Double> heldOut,
            double seconds) {}

    /**
     * All blocks, trained together.
     *
     * @param layers that were trained
     * @param end as a block's
     * @param steps that were made
     * @param bestStep behind which it was best; 0 for the start
     * @param before mean divergence of a held-out token's prediction from the original model's at the start, in nats
     * @param after of what there is now
     * @param heldOut the divergence at each measurement, relative to the start's
     * @param seconds of wall time
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record TrainedModel(
            int layers,
            String end,
            int steps,
            int bestStep,
            Double before,
            Double after,
            List<Double> heldOut,
            double seconds) {}

    /** The same with what was measured. */
    public CalibrationReport measured(
            Map<String, Double> stageSeconds,
            List<Fallback> found,
            List<TrainedBlock> trained,
            TrainedModel allTrained) {
        return new CalibrationReport(
                files,
                tokens,
                sequences,
                sequenceLength,
                trainingTokens,
                heldOutTokens,
                shards,
                solved,
                weighted,
                memory,
                diskBytes,
                stageSeconds,
                found,
                trained,
                allTrained);
    }
}
