package io.sparkgguf.report;

import java.util.List;
import java.util.Map;

/**
 * What a checkpoint's headers say.
 *
 * @param format {@code GGUF v3}, {@code safetensors} or {@code Hugging Face checkpoint}
 * @param metadata key to value; long arrays are abbreviated to their first elements and count
 * @param tensors in the order of the files
 */
public record InspectionReport(
        String path,
        String format,
        List<Report.SourceFile> files,
        Map<String, Object> metadata,
        long weights,
        long tensorBytes,
        List<Tensor> tensors) {

    /** @param shape outermost first @param offset first byte in its file */
    public record Tensor(String name, List<Long> shape, String type, String file, long offset, long bytes) {}
}
