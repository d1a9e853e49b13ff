package io.sparkgguf.format.gguf;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import io.sparkgguf.tensor.Shape;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * The numbers of the format, and what holds for a file whether it is read or written. Each check gives the reason why
 * something is not allowed, or nothing; the caller knows which file and place to name.
 */
final class GgufRules {
    /** {@code GGUF} as a little-endian number. */
    static final int MAGIC = 0x46554747;

    static final int VERSION = 3;
    static final int OLDEST_VERSION = 2;

    static final String ALIGNMENT_KEY = "general.alignment";
    static final long DEFAULT_ALIGNMENT = 32;

    static final String SPLIT_NO = "split.no";
    static final String SPLIT_COUNT = "split.count";
    static final String SPLIT_TENSORS_COUNT = "split.tensors.count";

    /** What GGUF's specification allows. */
    static final int MAX_KEY_BYTES = 65_535;

    /** ggml keeps 64 bytes for a name and ends it with a zero. */
    static final int MAX_NAME_BYTES = 63;

    static final int MAX_DIMENSIONS = 4;

    /** ggml's limit on the bytes of a string and on the elements of an array. */
    static final long MAX_LENGTH = 1L << 30;

    /**
     * Ours, so that no header fills a driver's memory: the largest known (vocabularies of 260,000 tokens) take about 20
     * MB, and models have some thousands of tensors.
     */
    static final long MAX_HEADER_BYTES = 1L << 28;

    static final long MAX_PAIRS = 1L << 20;
    static final long MAX_TENSORS = 1L << 20;

    private GgufRules() {}

    /** {@code position} moved up to a multiple of {@code alignment}, a power of two. */
    static long padded(long position, long alignment) {
        return Math.addExact(position, alignment - 1) & -alignment;
    }

    /**
     * The alignment that {@code metadata} asks for, 32 where it says nothing.
     *
     * @throws InvalidInputException with only the reason as its message, for the caller to complete
     */
    static long alignment(Metadata metadata) {
        Optional<MetadataValue> value = metadata.get(ALIGNMENT_KEY);
        if (value.isEmpty()) {
            return DEFAULT_ALIGNMENT;
        }
        if (value.get().type() != MetadataType.U32) {
            throw new InvalidInputException(
                    ALIGNMENT_KEY + " is of type " + value.get().type() + ", but must be U32");
        }
        long alignment = ((MetadataValue.Int) value.get()).value();
        if (Long.bitCount(alignment) != 1) {
            throw new InvalidInputException(ALIGNMENT_KEY + " is " + alignment + ", but must be a power of two");
        }
        return alignment;
    }

    /** Why a key of this many bytes cannot be, or null. */
    static String keyLengthFault(long bytes) {
        if (bytes == 0) {
            return "a key is empty";
        }
        return bytes < 0 || bytes > MAX_KEY_BYTES
                ? "a key has " + Long.toUnsignedString(bytes) + " bytes, more than the " + MAX_KEY_BYTES + " allowed"
                : null;
    }

    /** Why a tensor's name of this many bytes cannot be, or null. */
    static String nameLengthFault(long bytes) {
        if (bytes == 0) {
            return "a tensor's name is empty";
        }
        return bytes < 0 || bytes > MAX_NAME_BYTES
                ? "a tensor's name has " + Long.toUnsignedString(bytes) + " bytes, more than the " + MAX_NAME_BYTES
                        + " allowed"
                : null;
    }

    /** Why a tensor of this shape and type cannot be, or null. */
    static String tensorFault(Shape shape, BlockType type) {
        if (shape.rank() > MAX_DIMENSIONS) {
            return "has " + shape.rank() + " dimensions, more than the " + MAX_DIMENSIONS + " allowed";
        }
        if (shape.columns() % type.blockElements() != 0) {
            return "has rows of " + shape.columns() + " elements, not a multiple of the " + type.blockElements()
                    + " of a block of " + type.label();
        }
        try {
            type.bytes(shape.elements());
            return null;
        } catch (ArithmeticException e) {
            return "takes more than 2^63 - 1 bytes: shape " + shape + " of " + type.label();
        }
    }

    /** The text of these bytes, or empty when they are not UTF-8 or hold a zero, at which C programs would cut it. */
    static Optional<String> text(byte[] utf8) {
        try {
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(utf8))
                    .toString();
            return text.indexOf('\0') >= 0 ? Optional.empty() : Optional.of(text);
        } catch (CharacterCodingException e) {
            return Optional.empty();
        }
    }

    /** The bytes of this text, or empty when it is not proper Unicode or holds a zero. */
    static Optional<byte[]> utf8(String text) {
        try {
            ByteBuffer bytes = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text));
            byte[] exact = new byte[bytes.remaining()];
            bytes.get(exact);
            return text.indexOf('\0') >= 0 ? Optional.empty() : Optional.of(exact);
        } catch (CharacterCodingException e) {
            return Optional.empty();
        }
    }
}
