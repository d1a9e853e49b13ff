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
        List<Fallback> fallbacks) {

    /** @param reason one line */
    public record Fallback(String tensor, String reason) {}

    /** The same with what was measured. */
    public CalibrationReport measured(Map<String, Double> stageSeconds, List<Fallback> found) {
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
                found);
    }
}
