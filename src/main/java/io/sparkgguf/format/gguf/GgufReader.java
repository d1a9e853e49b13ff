package io.sparkgguf.format.gguf;

import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.SequentialReader;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.Shape;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Reads the header of a GGUF file, version 2 or 3, little-endian.
 *
 * <pre>
 * magic "GGUF"                  4 bytes
 * version                       u32      2 or 3
 * number of tensors             i64
 * number of key-value pairs     i64
 * pair:    key                  string   u64 bytes, then UTF-8
 *          type of the value    i32
 *          value                          arrays: i32 element type, u64 count, elements
 * tensor:  name                 string   1 to 63 bytes
 *          dimensions           u32      0 to 4
 *          size of each         i64      innermost first
 *          type                 i32
 *          offset               u64      from the start of the data section: the padded sum of the sizes before
 * zeros up to a multiple of the alignment, then the data
 * </pre>
 *
 * <p>What llama.cpp's reader refuses is refused here, and moreover: keys and names that are empty, not UTF-8 or hold a
 * zero byte, booleans other than 0 and 1, a header of more than 256 MiB or a million pairs or tensors. Nothing is
 * allocated on the word of the file alone: every count is held against the bytes that are left first.
 */
public final class GgufReader {
    private static final String KIND = "GGUF file";
    /** Key length, one byte of key, type, one byte of value. */
    private static final int LEAST_PAIR_BYTES = 8 + 1 + 4 + 1;
    /** Name length, one byte of name, number of dimensions, type, offset. */
    private static final int LEAST_TENSOR_BYTES = 8 + 1 + 4 + 4 + 8;

    private final RangeReader reader;
    private final SequentialReader in;
    private long alignmentAt;

    private GgufReader(RangeReader reader) {
        this.reader = reader;
        this.in = new SequentialReader(reader, KIND, 0, reader.length());
    }

    /**
     * @throws InvalidInputException when the file is damaged or not a GGUF file, naming file and byte
     */
    public static GgufHeader read(RangeReader reader) throws IOException {
        return new GgufReader(reader).header();
    }

    private GgufHeader header() throws IOException {
        int version = version();
        long tensorCount = count("tensors", GgufRules.MAX_TENSORS, LEAST_TENSOR_BYTES);
        long pairCount = count("key-value pairs", GgufRules.MAX_PAIRS, LEAST_PAIR_BYTES);
        Metadata metadata = metadata(pairCount);
        long alignment;
        try {
            alignment = GgufRules.alignment(metadata);
        } catch (InvalidInputException e) {
            throw in.damaged(alignmentAt, e.getMessage());
        }
        List<GgufTensor> tensors = tensors(tensorCount, alignment);
        // Without tensors there is no data section, and the padding before it may be missing.
        long dataStart = tensors.isEmpty() ? in.position() : GgufRules.padded(in.position(), alignment);
        requireInsideFile(tensors, dataStart);
        return new GgufHeader(reader.file(), version, metadata, alignment, tensors, dataStart, reader.length());
    }

    private int version() throws IOException {
        long at = in.position();
        if (in.remaining() < 4) {
            throw in.damaged(at, "too short for a GGUF file (" + reader.length() + " bytes)");
        }
        int magic = in.readInt("the magic number");
        if (magic != GgufRules.MAGIC) {
            throw in.damaged(
                    at,
                    String.format(
                            "not a GGUF file: begins with bytes %02x %02x %02x %02x instead of 47 47 55 46 (\"GGUF\")",
                            magic & 0xFF, magic >> 8 & 0xFF, magic >> 16 & 0xFF, magic >>> 24));
        }
        at = in.position();
        int version = in.readInt("the version");
        if (version != 0 && (version & 0xFFFF) == 0) {
            throw in.damaged(
                    at,
                    "big-endian (version " + Integer.toUnsignedString(Integer.reverseBytes(version))
                            + "); only little-endian files are read");
        }
        if (version < GgufRules.OLDEST_VERSION || version > GgufRules.VERSION) {
            throw in.damaged(
                    at,
                    "version " + Integer.toUnsignedString(version) + " is not supported, only "
                            + GgufRules.OLDEST_VERSION + " and " + GgufRules.VERSION + " are");
        }
        return version;
    }

    private long count(String things, long most, int leastBytes) throws IOException {
        long at = in.position();
        long count = in.readLong("the number of " + things);
        if (count < 0) {
            throw in.damaged(at, "the number of " + things + " is " + count);
        }
        if (count > in.remaining() / leastBytes) {
            throw in.damaged(
                    at, count + " " + things + " cannot fit into the " + in.remaining() + " bytes that are left");
        }
        if (count > most) {
            throw in.damaged(at, count + " " + things + " are more than the " + most + " that are read");
        }
        return count;
    }

    private Metadata metadata(long count) throws IOException {
        GgufValues values = new GgufValues(in);
        Metadata metadata = new Metadata();
        for (long i = 0; i < count; i++) {
            requireHeaderRoom();
            long at = in.position();
            long length = in.readLong("the length of a key");
            String key = text(at, length, GgufRules.keyLengthFault(length), "a key");
            if (metadata.contains(key)) {
                throw in.damaged(at, "key " + Quoted.of(key) + " is there twice");
            }
            if (key.equals(GgufRules.ALIGNMENT_KEY)) {
                alignmentAt = in.position();
            }
            metadata.put(key, values.read(key));
        }
        return metadata;
    }

    private String text(long at, long length, String fault, String what) throws IOException {
        if (fault != null) {
            throw in.damaged(at, fault);
        }
        return GgufRules.text(in.readBytes((int) length, what))
                .orElseThrow(() -> in.damaged(at + 8, what + " is not UTF-8 text without zero bytes"));
    }

    private List<GgufTensor> tensors(long count, long alignment) throws IOException {
        List<GgufTensor> tensors = new ArrayList<>((int) count);
        Set<String> names = new HashSet<>();
        long expectedOffset = 0;
        for (long i = 0; i < count; i++) {
            requireHeaderRoom();
            long at = in.position();
            long length = in.readLong("the length of a tensor's name");
            String name = text(at, length, GgufRules.nameLengthFault(length), "a tensor's name");
            if (!names.add(name)) {
                throw in.damaged(at, "tensor " + Quoted.of(name) + " is there twice");
            }
            Shape shape = shape(name);
            BlockType type = type(name, shape);
            long offsetAt = in.position();
            long offset = in.readLong("the offset of tensor " + Quoted.of(name));
            if (offset != expectedOffset) {
                throw in.damaged(
                        offsetAt,
                        "tensor " + Quoted.of(name) + " has offset " + Long.toUnsignedString(offset)
                                + ", but the tensors before it end at " + expectedOffset);
            }
            GgufTensor tensor = new GgufTensor(name, shape, type, offset);
            tensors.add(tensor);
            try {
                expectedOffset = GgufRules.padded(tensor.end(), alignment);
            } catch (ArithmeticException e) {
                throw in.damaged(offsetAt, "the tensors up to " + Quoted.of(name) + " take more than 2^63 - 1 bytes");
            }
        }
        return tensors;
    }

    private void requireHeaderRoom() {
        if (in.position() > GgufRules.MAX_HEADER_BYTES) {
            throw in.damaged(in.position(), "the header has more than " + GgufRules.MAX_HEADER_BYTES + " bytes");
        }
    }

    private Shape shape(String name) throws IOException {
        long at = in.position();
        int rank = in.readInt("the number of dimensions of tensor " + Quoted.of(name));
        if (rank < 0 || rank > GgufRules.MAX_DIMENSIONS) {
            throw in.damaged(
                    at,
                    "tensor " + Quoted.of(name) + " has " + Integer.toUnsignedString(rank)
                            + " dimensions, more than the " + GgufRules.MAX_DIMENSIONS + " allowed");
        }
        long[] innermostFirst = new long[rank];
        for (int d = 0; d < rank; d++) {
            long dimensionAt = in.position();
            innermostFirst[d] = in.readLong("dimension " + d + " of tensor " + Quoted.of(name));
            if (innermostFirst[d] < 0) {
                throw in.damaged(
                        dimensionAt, "dimension " + d + " of tensor " + Quoted.of(name) + " is " + innermostFirst[d]);
            }
        }
        try {
            return Shape.of(innermostFirst).reversed();
        } catch (IllegalArgumentException e) {
            throw in.damaged(at, "tensor " + Quoted.of(name) + " has more than 2^63 - 1 elements");
        }
    }

    private BlockType type(String name, Shape shape) throws IOException {
        long at = in.position();
        int id = in.readInt("the type of tensor " + Quoted.of(name));
        BlockType type = BlockType.of(id)
                .orElseThrow(() -> in.damaged(
                        at,
                        "tensor " + Quoted.of(name) + " is of type " + id
                                + ", which is unknown or was removed from the format"));
        String fault = GgufRules.tensorFault(shape, type);
        if (fault != null) {
            throw in.damaged(at, "tensor " + Quoted.of(name) + " " + fault);
        }
        return type;
    }

    private void requireInsideFile(List<GgufTensor> tensors, long dataStart) {
        if (tensors.isEmpty()) {
            return;
        }
        long data = reader.length() - dataStart;
        if (data < 0) {
            throw in.damaged(
                    in.position(),
                    "the data should begin at byte " + dataStart + ", but the file ends at byte " + reader.length());
        }
        for (GgufTensor tensor : tensors) {
            if (tensor.end() > data) {
                throw in.damaged(
                        Math.addExact(dataStart, Math.min(tensor.offset(), data)),
                        "tensor "
                                + Quoted.of(tensor.name()) + " takes " + tensor.bytes() + " bytes from offset "
                                + tensor.offset()
                                + " of the data, which ends at offset " + data);
            }
        }
    }
}
