package io.sparkgguf.format.gguf;

import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.TensorLocation;
import java.util.List;

/**
 * All that a GGUF file says before its data section.
 *
 * @param file path or URI
 * @param version 2 or 3
 * @param metadata in the order of the file
 * @param alignment every tensor begins at a multiple of this many bytes from {@code dataStart}; a power of two
 * @param tensors in the order of the file, which is the order of the data
 * @param dataStart the file's byte at which the data section begins
 * @param fileLength bytes of the file
 */
public record GgufHeader(
        String file,
        int version,
        Metadata metadata,
        long alignment,
        List<GgufTensor> tensors,
        long dataStart,
        long fileLength) {
    public GgufHeader {
        tensors = List.copyOf(tensors);
    }

    /** Where the tensor's bytes lie in the file. */
    public TensorLocation location(GgufTensor tensor) {
        return new TensorLocation(
                tensor.name(),
                tensor.type(),
                tensor.shape(),
                file,
                Math.addExact(dataStart, tensor.offset()),
                tensor.bytes());
    }

    /** Where the bytes of all tensors lie, in the order of the file. */
    public List<TensorLocation> locations() {
        return tensors.stream().map(this::location).toList();
    }

    /**
     * Where the file should end: the last tensor is padded too. A reader accepts a file that lacks this last padding
     * ({@code fileLength} is smaller) and bytes behind it (larger).
     */
    public long paddedEnd() {
        if (tensors.isEmpty()) {
            return dataStart;
        }
        return Math.addExact(
                dataStart, GgufRules.padded(tensors.get(tensors.size() - 1).end(), alignment));
    }
}
