package io.sparkgguf.format.gguf;

import io.sparkgguf.storage.SequentialReader;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import java.io.IOException;
import java.util.Arrays;

/** Reads the values of metadata. Arrays stay packed: a vocabulary is two arrays, not as many objects as tokens. */
final class GgufValues {
    private static final int FIRST_STRINGS = 1024;

    private final SequentialReader in;

    GgufValues(SequentialReader in) {
        this.in = in;
    }

    /** The value of {@code key}: its type, then itself. */
    MetadataValue read(String key) throws IOException {
        long at = in.position();
        int id = in.readInt("the type of key " + Quoted.of(key));
        MetadataType type = type(at, id, key);
        String what = "the value of key " + Quoted.of(key);
        return switch (type) {
            case U8 -> new MetadataValue.Int(type, in.readByte(what) & 0xFF);
            case I8 -> new MetadataValue.Int(type, in.readByte(what));
            case U16 -> new MetadataValue.Int(type, in.readShort(what) & 0xFFFF);
            case I16 -> new MetadataValue.Int(type, in.readShort(what));
            case U32 -> new MetadataValue.Int(type, in.readInt(what) & 0xFFFFFFFFL);
            case I32 -> new MetadataValue.Int(type, in.readInt(what));
            case U64, I64 -> new MetadataValue.Int(type, in.readLong(what));
            case F32 -> new MetadataValue.Real(type, Float.intBitsToFloat(in.readInt(what)));
            case F64 -> new MetadataValue.Real(type, Double.longBitsToDouble(in.readLong(what)));
            case BOOL -> new MetadataValue.Bool(bool(key, what));
            case STRING -> new MetadataValue.Text(in.readBytes(stringLength(key), what));
            case ARRAY -> array(key);
        };
    }

    private MetadataType type(long at, int id, String key) {
        return MetadataType.of(id)
                .orElseThrow(() -> in.damaged(at, "key " + Quoted.of(key) + " is of the unknown type " + id));
    }

    private boolean bool(String key, String what) throws IOException {
        long at = in.position();
        return requireBool(at, key, in.readByte(what)) == 1;
    }

    private byte requireBool(long at, String key, byte value) {
        if (value != 0 && value != 1) {
            throw in.damaged(
                    at, "key " + Quoted.of(key) + " holds a boolean of " + (value & 0xFF) + ", neither 0 nor 1");
        }
        return value;
    }

    private int stringLength(String key) throws IOException {
        long at = in.position();
        long length = in.readLong("the length of a string of key " + Quoted.of(key));
        if (length < 0 || length > GgufRules.MAX_LENGTH) {
            throw in.damaged(
                    at,
                    "a string of key " + Quoted.of(key) + " has " + Long.toUnsignedString(length)
                            + " bytes, more than the " + GgufRules.MAX_LENGTH + " allowed");
        }
        requireRoom(length, "a string of key " + Quoted.of(key));
        return (int) length;
    }

    private void requireRoom(long bytes, String what) {
        in.require(bytes, what);
        if (in.position() + bytes > GgufRules.MAX_HEADER_BYTES) {
            throw in.damaged(
                    in.position(),
                    what + " ends at byte " + (in.position() + bytes) + ", but a header has at most "
                            + GgufRules.MAX_HEADER_BYTES + " bytes");
        }
    }

    private MetadataValue array(String key) throws IOException {
        long typeAt = in.position();
        MetadataType element = type(typeAt, in.readInt("the type of the elements of key " + Quoted.of(key)), key);
        if (element == MetadataType.ARRAY) {
            throw in.damaged(typeAt, "key " + Quoted.of(key) + " holds an array of arrays");
        }
        long at = in.position();
        long count = in.readLong("the number of elements of key " + Quoted.of(key));
        if (count < 0 || count > GgufRules.MAX_LENGTH) {
            throw in.damaged(
                    at,
                    "key " + Quoted.of(key) + " holds " + Long.toUnsignedString(count) + " elements, more than the "
                            + GgufRules.MAX_LENGTH + " allowed");
        }
        int leastBytes = element == MetadataType.STRING ? 8 : element.bytes();
        String what = "the array of " + count + " elements of key " + Quoted.of(key);
        requireRoom(count * leastBytes, what);
        if (element == MetadataType.STRING) {
            return strings(key, (int) count, what);
        }
        long start = in.position();
        byte[] bytes = in.readBytes((int) count * element.bytes(), what);
        if (element == MetadataType.BOOL) {
            for (int i = 0; i < bytes.length; i++) {
                requireBool(start + i, key, bytes[i]);
            }
        }
        return new MetadataValue.Numbers(element, bytes);
    }

    /** Both arrays grow with what was read, not with what was announced. */
    private MetadataValue strings(String key, int count, String what) throws IOException {
        byte[] packed = new byte[FIRST_STRINGS];
        int[] ends = new int[Math.min(count, FIRST_STRINGS)];
        int size = 0;
        for (int i = 0; i < count; i++) {
            int length = stringLength(key);
            if (packed.length - size < length) {
                packed = Arrays.copyOf(packed, Math.max(size + length, size + (size >> 1)));
            }
            in.readBytes(packed, size, length, what);
            size += length;
            if (i == ends.length) {
                ends = Arrays.copyOf(ends, Math.min(count, i + (i >> 1)));
            }
            ends[i] = size;
        }
        return new MetadataValue.Strings(Arrays.copyOf(packed, size), ends);
    }
}
