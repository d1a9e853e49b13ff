package io.sparkgguf.report;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;
import java.util.Map;

/**
 * What schemes would cost a model, summed up; the table beside it has every tensor. Relative errors are roots of sums of
 * squared errors over sums of squares; weighted ones count each column by its importance.
 *
 * @param created when the run ended, ISO 8601
 * @param model as it was named
 * @param imatrix as it was named, or null
 * @param rows most rows of a tensor that were looked at; null for all
 * @param tensors how many were looked at
 * @param weights that they have
 * @param surveyed weights that were looked at
 * @param schemes by bits per weight, then by error
 * @param seconds of wall time by stage
 * @param warnings what was not as asked
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record SurveyReport(
        Map<String, String> tool,
        String created,
        String model,
        String imatrix,
        Integer rows,
        int tensors,
        long weights,
        long surveyed,
        List<Scheme> schemes,
        Map<String, Double> seconds,
        List<String> warnings) {

    /**
     * A scheme over all tensors that it fits.
     *
     * @param bitsPerWeight of these tensors, scales included
     * @param tensors that it fits
     * @param meanRelativeError mean over tensors
     * @param worstRelativeError largest of a tensor
     * @param worstTensor the tensor that has it
     * @param relativeError of all weights together
     * @param weightedRelativeError the same of tensors that have an importance, null when none has
     * @param clippedShare of weights beyond the grid by more than half a step; null for GGUF's types
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Scheme(
            String scheme,
            double bitsPerWeight,
            long bytes,
            int tensors,
            double meanRelativeError,
            double worstRelativeError,
            String worstTensor,
            double relativeError,
            Double weightedRelativeError,
            Double clippedShare) {}
}
