package io.sparkgguf.report;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;
import java.util.Map;

/**
 * How well models predict a text, and how far from the base's their predictions are. Definitions are those of
 * llama-perplexity; divergences are in nats, probabilities and shares from 0 to 1, errors are standard errors.
 *
 * @param created when the run ended, ISO 8601
 * @param base what the others are compared with
 * @param models in the order in which they were asked for
 * @param stages seconds of wall time by stage
 * @param tokensPerSecond tokens run through models, all models together, by second of wall time
 * @param taskMemory bytes that a task takes at its peak
 * @param notes of reading the text
 * @param warnings what makes the figures look better than they are, a line each
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record EvaluationReport(
        Map<String, String> tool,
        String created,
        Text text,
        Model base,
        List<Model> models,
        Map<String, Double> stages,
        double tokensPerSecond,
        long taskMemory,
        List<String> notes,
        List<String> warnings) {

    /**
     * @param files as they were named
     * @param context tokens of a sequence
     * @param sequences how many there are
     * @param scored tokens that were predicted: those of each sequence's second half
     */
    public record Text(List<String> files, int context, int sequences, long scored) {}

    /**
     * @param bytes of all its tensors as they are stored
     * @param comparison null for the base
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Model(
            String file,
            long bytes,
            double bitsPerWeight,
            double perplexity,
            double perplexityError,
            Comparison comparison) {}

    /**
     * @param logRatio ln(PPL / PPL of the base)
     * @param kld mean KL(base || model)
     * @param kldMedian and the other quantiles over tokens
     * @param sameTop share of positions at which both find the same token likeliest
     * @param deltaP mean difference of the probability of the token that followed
     * @param rmsDeltaP root mean square of it
     */
    public record Comparison(
            double logRatio,
            double logRatioError,
            double kld,
            double kldError,
            double kldMedian,
            double kld90,
            double kld99,
            double kld999,
            double kldLargest,
            double sameTop,
            double sameTopError,
            double deltaP,
            double deltaPError,
            double rmsDeltaP,
            double rmsDeltaPError) {}
}
