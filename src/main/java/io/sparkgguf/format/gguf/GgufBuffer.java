package io.sparkgguf.format.gguf;

import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/** A header in the making: little-endian fields into a growing array. */
final class GgufBuffer {
    private ByteBuffer bytes = ByteBuffer.allocate(1 << 12).order(ByteOrder.LITTLE_ENDIAN);

    private ByteBuffer room(long count) {
        long needed = bytes.position() + count;
        if (needed > GgufRules.MAX_HEADER_BYTES) {
            throw new InvalidInputException("Cannot write a GGUF header of " + needed + " bytes or more: at most "
                    + GgufRules.MAX_HEADER_BYTES + " are allowed");
        }
        if (needed > bytes.capacity()) {
            int capacity = (int) Math.max(needed, Math.min(GgufRules.MAX_HEADER_BYTES, 2L * bytes.capacity()));
            bytes = ByteBuffer.allocate(capacity).order(ByteOrder.LITTLE_ENDIAN).put(bytes.flip());
        }
        return bytes;
    }

    void putInt(int value) {
        room(4).putInt(value);
    }

    void putLong(long value) {
        room(8).putLong(value);
    }

    void putString(byte[] utf8) {
        putLong(utf8.length);
        room(utf8.length).put(utf8);
    }

    /** The value without its type; of an array with the type and number of its elements. */
    void putValue(MetadataValue value) {
        if (value instanceof MetadataValue.Int number) {
            putBits(number.type(), number.value());
        } else if (value instanceof MetadataValue.Real number) {
            putBits(
                    number.type(),
                    number.type() == MetadataType.F32
                            ? Float.floatToRawIntBits((float) number.value())
                            : Double.doubleToRawLongBits(number.value()));
        } else if (value instanceof MetadataValue.Bool truth) {
            putBits(MetadataType.BOOL, truth.value() ? 1 : 0);
        } else if (value instanceof MetadataValue.Text text) {
            putString(text.bytes());
        } else if (value instanceof MetadataValue.Numbers numbers) {
            putInt(numbers.element().id());
            putLong(numbers.count());
            room(numbers.littleEndian().length).put(numbers.littleEndian());
        } else if (value instanceof MetadataValue.Strings strings) {
            putInt(MetadataType.STRING.id());
            putLong(strings.count());
            for (int i = 0; i < strings.count(); i++) {
                putString(strings.bytes(i));
            }
        }
    }

    private void putBits(MetadataType type, long bits) {
        switch (type.bytes()) {
            case 1 -> room(1).put((byte) bits);
            case 2 -> room(2).putShort((short) bits);
            case 4 -> putInt((int) bits);
            default -> putLong(bits);
        }
    }

    void padTo(long alignment) {
        room(GgufRules.padded(bytes.position(), alignment) - bytes.position());
        bytes.position((int) GgufRules.padded(bytes.position(), alignment));
    }

    int size() {
        return bytes.position();
    }

    byte[] toByteArray() {
        return Arrays.copyOf(bytes.array(), bytes.position());
    }
}
