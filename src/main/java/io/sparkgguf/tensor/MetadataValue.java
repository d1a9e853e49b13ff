package io.sparkgguf.tensor;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;

/**
 * One value of GGUF metadata. Immutable: arrays are copied in and out, or kept as the bytes of the file.
 *
 * <p>Strings are kept as bytes, so that a source's metadata passes through unchanged even where it is not UTF-8.
 */
public sealed interface MetadataValue {

    MetadataType type();

    /** A whole number of any width; u64 above 2^63 - 1 is kept as its two's complement. */
    record Int(MetadataType type, long value) implements MetadataValue {
        public Int {
            if (!type.isInteger()) {
                throw new IllegalArgumentException("Cannot store an integer as " + type);
            }
        }

        /**
         * @throws IllegalArgumentException when the value does not fit the type
         */
        public static Int of(MetadataType type, long value) {
            boolean fits = switch (type) {
                case U8 -> value >= 0 && value <= 0xFF;
                case I8 -> value == (byte) value;
                case U16 -> value >= 0 && value <= 0xFFFF;
                case I16 -> value == (short) value;
                case U32 -> value >= 0 && value <= 0xFFFFFFFFL;
                case I32 -> value == (int) value;
                case U64 -> value >= 0;
                default -> true;
            };
            if (!fits) {
                throw new IllegalArgumentException("Cannot store " + value + " as " + type + ": out of range");
            }
            return new Int(type, value);
        }
    }

    /** A floating-point number, F32 or F64. */
    record Real(MetadataType type, double value) implements MetadataValue {
        public Real {
            if (type != MetadataType.F32 && type != MetadataType.F64) {
                throw new IllegalArgumentException("Cannot store a real number as " + type);
            }
        }
    }

    record Bool(boolean value) implements MetadataValue {
        @Override
        public MetadataType type() {
            return MetadataType.BOOL;
        }
    }

    /** A string, as the bytes of the file. */
    final class Text implements MetadataValue {
        private final byte[] utf8;

        public Text(String value) {
            this(value.getBytes(StandardCharsets.UTF_8));
        }

        public Text(byte[] utf8) {
            this.utf8 = utf8.clone();
        }

        public String value() {
            return new String(utf8, StandardCharsets.UTF_8);
        }

        public byte[] bytes() {
            return utf8.clone();
        }

        @Override
        public MetadataType type() {
            return MetadataType.STRING;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Text text && Arrays.equals(utf8, text.utf8);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(utf8);
        }

        @Override
        public String toString() {
            return value();
        }
    }

    /** An array of strings, packed: all bytes in one array, string i at [ends[i - 1], ends[i]). */
    final class Strings implements MetadataValue {
        private final byte[] packed;
        private final int[] ends;

        /** Takes both arrays as they are; the caller must not change them afterwards. */
        public Strings(byte[] packed, int[] ends) {
            this.packed = packed;
            this.ends = ends;
        }

        public static Strings of(Collection<String> values) {
            List<byte[]> encoded = values.stream()
                    .map(value -> value.getBytes(StandardCharsets.UTF_8))
                    .toList();
            byte[] packed =
                    new byte[encoded.stream().mapToInt(bytes -> bytes.length).reduce(0, Math::addExact)];
            int[] ends = new int[encoded.size()];
            int at = 0;
            for (int i = 0; i < ends.length; i++) {
                byte[] bytes = encoded.get(i);
                System.arraycopy(bytes, 0, packed, at, bytes.length);
                at += bytes.length;
                ends[i] = at;
            }
            return new Strings(packed, ends);
        }

        public int count() {
            return ends.length;
        }

        public byte[] bytes(int index) {
            return Arrays.copyOfRange(packed, index == 0 ? 0 : ends[index - 1], ends[index]);
        }

        public String get(int index) {
            int from = index == 0 ? 0 : ends[index - 1];
            return new String(packed, from, ends[index] - from, StandardCharsets.UTF_8);
        }

        @Override
        public MetadataType type() {
            return MetadataType.ARRAY;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Strings strings
                    && Arrays.equals(ends, strings.ends)
                    && Arrays.equals(packed, strings.packed);
        }

        @Override
        public int hashCode() {
            return 31 * Arrays.hashCode(ends) + Arrays.hashCode(packed);
        }
    }

    /** An array of numbers or booleans, as the little-endian bytes of the file. */
    final class Numbers implements MetadataValue {
        private final MetadataType element;
        private final byte[] littleEndian;

        /** Takes the array as it is; the caller must not change it afterwards. */
        public Numbers(MetadataType element, byte[] littleEndian) {
            if (element.bytes() == 0 || littleEndian.length % element.bytes() != 0) {
                throw new IllegalArgumentException(
                        "Cannot store " + littleEndian.length + " bytes as an array of " + element);
            }
            this.element = element;
            this.littleEndian = littleEndian;
        }

        public static Numbers ofInts(MetadataType element, int... values) {
            ByteBuffer buffer = buffer(element, values.length);
            for (int value : values) {
                switch (element.bytes()) {
                    case 1 -> buffer.put((byte) value);
                    case 2 -> buffer.putShort((short) value);
                    case 4 -> buffer.putInt(value);
                    default -> buffer.putLong(value);
                }
            }
            return new Numbers(element, buffer.array());
        }

        public static Numbers ofFloats(float... values) {
            ByteBuffer buffer = buffer(MetadataType.F32, values.length);
            for (float value : values) {
                buffer.putFloat(value);
            }
            return new Numbers(MetadataType.F32, buffer.array());
        }

        private static ByteBuffer buffer(MetadataType element, int count) {
            return ByteBuffer.allocate(Math.multiplyExact(count, element.bytes()))
                    .order(ByteOrder.LITTLE_ENDIAN);
        }

        public MetadataType element() {
            return element;
        }

        public int count() {
            return littleEndian.length / element.bytes();
        }

        /** The bytes of the file; not to be changed. */
        public byte[] littleEndian() {
            return littleEndian;
        }

        /** Element {@code index} as a whole number (booleans as 0 or 1). */
        public long integer(int index) {
            ByteBuffer buffer = ByteBuffer.wrap(littleEndian).order(ByteOrder.LITTLE_ENDIAN);
            int at = index * element.bytes();
            return switch (element) {
                case U8, BOOL -> buffer.get(at) & 0xFF;
                case I8 -> buffer.get(at);
                case U16 -> buffer.getShort(at) & 0xFFFF;
                case I16 -> buffer.getShort(at);
                case U32 -> buffer.getInt(at) & 0xFFFFFFFFL;
                case I32 -> buffer.getInt(at);
                case U64, I64 -> buffer.getLong(at);
                default -> throw new IllegalStateException("Cannot read " + element + " as an integer");
            };
        }

        /** Element {@code index} as a real number. */
        public double real(int index) {
            ByteBuffer buffer = ByteBuffer.wrap(littleEndian).order(ByteOrder.LITTLE_ENDIAN);
            return switch (element) {
                case F32 -> buffer.getFloat(index * 4);
                case F64 -> buffer.getDouble(index * 8);
                default -> integer(index);
            };
        }

        @Override
        public MetadataType type() {
            return MetadataType.ARRAY;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Numbers numbers
                    && element == numbers.element
                    && Arrays.equals(littleEndian, numbers.littleEndian);
        }

        @Override
        public int hashCode() {
            return 31 * element.hashCode() + Arrays.hashCode(littleEndian);
        }
    }
}
