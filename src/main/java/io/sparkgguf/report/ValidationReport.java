package io.sparkgguf.report;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;

/**
 * Whether a GGUF file is sound.
 *
 * @param valid whether nothing was found
 * @param findings what is wrong, a line each
 * @param notes what could not be checked, a line each
 * @param tensors in file order
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record ValidationReport(
        String file,
        boolean valid,
        String architecture,
        long bytes,
        List<String> findings,
        List<String> notes,
        List<Tensor> tensors) {

    /**
     * @param xxh64 of its bytes
     * @param expected what the report says of them, or null
     * @param relativeError against the source, or null where there is none to compare
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Tensor(
            String name,
            List<Long> shape,
            String type,
            long offset,
            long bytes,
            String xxh64,
            String expected,
            Double relativeError,
            Double maxError,
            Double cosine) {}
}
