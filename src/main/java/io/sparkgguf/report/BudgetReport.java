package io.sparkgguf.report;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;
import java.util.Map;

/**
 * How types were chosen for a file of given size. Errors are estimates of the mean KL divergence, in nats, that rounding a
 * tensor brings about; those of tensors are added.
 *
 * @param target the option that set the size
 * @param limitBytes that the file may have: all of it, or by bits per weight its tensors without padding
 * @param bytes that it has, counted in the same way
 * @param used share of the limit
 * @param stop what kept the rest from being used
 * @param error of the choice
 * @param bound no choice within the limit has less error
 * @param exact whether none has less than this one
 * @param price Lagrange multiplier: the error that a byte is worth where the relaxation met the limit
 * @param errors how the error of a type is measured in a tensor
 * @param effects how it is known what that error does to predictions
 * @param tokens on which this was measured, or null
 * @param taskMemory bytes that the largest task held, by kind
 * @param seconds of wall time by stage
 * @param choices in the order of the file
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record BudgetReport(
        String target,
        long limitBytes,
        long bytes,
        double used,
        String stop,
        double error,
        double bound,
        boolean exact,
        double price,
        String errors,
        String effects,
        Long tokens,
        Map<String, Long> taskMemory,
        Map<String, Double> seconds,
        List<Choice> choices) {

    /**
     * @param tensors one, or those that are tied
     * @param bytes padding included where the target is a size
     * @param gain error that each byte less would add, with the next smaller type; 0 without one
     * @param missed error that each byte more would take away, with the next larger type; 0 when more gain nothing
     * @param candidates all that it could have been, by size
     */
    public record Choice(
            List<String> tensors,
            String type,
            long bytes,
            double error,
            double gain,
            double missed,
            List<Candidate> candidates) {}

    public record Candidate(String type, long bytes, double error) {}
}
