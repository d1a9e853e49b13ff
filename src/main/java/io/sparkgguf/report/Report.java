package io.sparkgguf.report;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;
import java.util.Map;

/**
 * What a run did, for machines: everything that a person would have to ask afterwards. Written as JSON beside the
 * output. Times and versions live here only; the GGUF file itself depends on nothing but source and options.
 *
 * @param tool this program and its version
 * @param created when the run ended, ISO 8601
 * @param source what was read
 * @param outputs the files that were written
 * @param options what was asked, as the user would write it
 * @param tokenizer how {@code tokenizer.ggml.pre} was found, or null for a source that already has it
 * @param importance the importance matrix, or null
 * @param method how weights were rounded, as asked or by default
 * @param calibration what inputs were seen, or null
 * @param budget how types were chosen by size, or null
 * @param totals sums over all tensors
 * @param types what each type holds
 * @param tensors in the order of the file
 * @param warnings all that was not as asked: substituted types, weights taken as zero, unused importance
 * @param stages seconds of wall time by stage
 * @param environment where it ran
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record Report(
        Map<String, String> tool,
        String created,
        Source source,
        List<Output> outputs,
        Map<String, Object> options,
        Map<String, String> tokenizer,
        Importance importance,
        String method,
        CalibrationReport calibration,
        BudgetReport budget,
        Totals totals,
        List<TypeTotal> types,
        List<Tensor> tensors,
        List<String> warnings,
        Map<String, Double> stages,
        Map<String, Object> environment) {

    /** @param kind {@code huggingface} or {@code gguf} */
    public record Source(String location, String kind, String architecture, List<SourceFile> files) {}

    /** @param modified milliseconds since 1970 */
    public record SourceFile(String file, long bytes, long modified) {}

    /** @param tensors how many it holds */
    public record Output(String file, long bytes, int tensors) {}

    /**
     * @param chunks calibration chunks that it was computed from, or null when it does not say
     * @param used tensors encoded with it
     * @param unmatched entries that fit no tensor of this model
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Importance(
            String file,
            String format,
            List<String> datasets,
            int entries,
            Long chunks,
            int used,
            List<String> unmatched) {}

    /**
     * @param bitsPerWeight stored bits of all tensors over all weights
     * @param relativeError root of the summed squared error over the summed squares, all tensors
     * @param substituted tensors whose wanted type did not fit
     * @param nonFinite weights taken as zero
     * @param taskSeconds of wall time in tasks that read, encode and write units, over all of these; encoding is all that is
     *     computed: decoding, errors and digests, too
     * @param kernelShare of the time of all cores, from the first unit begun to the last byte validated, what was spent
     *     encoding; the rest is the job's overhead. Null where not all units were made in one stage of this run: in one that
     *     calibrates, or went on from another
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Totals(
            long weights,
            long sourceBytes,
            long bytes,
            double bitsPerWeight,
            double relativeError,
            int substituted,
            long nonFinite,
            Map<String, Double> taskSeconds,
            Double kernelShare) {}

    public record TypeTotal(String type, int tensors, long weights, long bytes) {}

    /**
     * The proof that ternary weights are what they were.
     *
     * @param exact whether every weight of the result, decoded, equals that of the source
     * @param scale s; the least one where there are several
     * @param largestScale the largest one, or null where there is one
     * @param zeros weights that are 0
     * @param differing weights that are not equal, of which a last place of the scale may be the reason
     * @param flipped weights that became another of -s, 0 and s
     * @param scaleUlps by how many last places of a binary16 scales changed at the most, or null when exact
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Ternary(
            boolean exact,
            float scale,
            Float largestScale,
            long zeros,
            long differing,
            long flipped,
            Double scaleUlps) {}

    /**
     * @param shape outermost first
     * @param source how it was stored
     * @param type how it is stored now
     * @param rule why it has this type
     * @param reason the same, in words
     * @param wanted the type that the rules chose, where another was substituted, else null
     * @param relativeError root mean square of the error over that of the weights, or null where it cannot be decoded
     * @param maxError largest absolute error
     * @param cosine of the angle between source and result
     * @param ternary what became of weights that are -s, 0 and s, or null for others
     * @param importance whether it was encoded with importance
     * @param calibration what calibration made of it, or null when it did not come to it
     * @param xxh64 of its bytes in the file
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Tensor(
            String name,
            List<Long> shape,
            String source,
            String type,
            String rule,
            String reason,
            String wanted,
            String file,
            long offset,
            long bytes,
            double bitsPerWeight,
            Double relativeError,
            Double maxError,
            Double cosine,
            Ternary ternary,
            boolean importance,
            CalibratedTensor calibration,
            long nonFinite,
            String xxh64) {}
}
