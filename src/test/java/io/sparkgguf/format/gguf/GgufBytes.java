package io.sparkgguf.format.gguf;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/**
 * GGUF files put together by hand, byte for byte and without the code under test, wrong ones too. Remembers where each
 * field lies, so that tests can name the byte that a message must name.
 */
final class GgufBytes {
    static final int U8 = 0;
    static final int I8 = 1;
    static final int U16 = 2;
    static final int I16 = 3;
    static final int U32 = 4;
    static final int I32 = 5;
    static final int F32 = 6;
    static final int BOOL = 7;
    static final int STRING = 8;
    static final int ARRAY = 9;
    static final int U64 = 10;
    static final int I64 = 11;
    static final int F64 = 12;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    /** Magic, version 3, the two counts. */
    static GgufBytes header(long tensors, long pairs) {
        return new GgufBytes().text("GGUF").u32(3).i64(tensors).i64(pairs);
    }

    private GgufBytes number(long value, int bytes) {
        for (int i = 0; i < bytes; i++) {
            out.write((int) (value >>> 8 * i));
        }
        return this;
    }

    GgufBytes u8(int value) {
        return number(value, 1);
    }

    GgufBytes u16(int value) {
        return number(value, 2);
    }

    GgufBytes u32(long value) {
        return number(value, 4);
    }

    GgufBytes i64(long value) {
        return number(value, 8);
    }

    GgufBytes f32(float value) {
        return u32(Float.floatToRawIntBits(value));
    }

    GgufBytes text(String text) {
        out.writeBytes(text.getBytes(StandardCharsets.UTF_8));
        return this;
    }

    GgufBytes string(String text) {
        return i64(text.getBytes(StandardCharsets.UTF_8).length).text(text);
    }

    /** Key and type of a pair; the value follows. */
    GgufBytes key(String key, int type) {
        return string(key).u32(type);
    }

    /** Key, element type and count of an array; the elements follow. */
    GgufBytes array(String key, int element, long count) {
        return key(key, ARRAY).u32(element).i64(count);
    }

    /** A row of the tensor table; dimensions innermost first. */
    GgufBytes tensor(String name, int type, long offset, long... dimensions) {
        string(name).u32(dimensions.length);
        for (long dimension : dimensions) {
            i64(dimension);
        }
        return u32(type).i64(offset);
    }

    GgufBytes zeros(long count) {
        for (long i = 0; i < count; i++) {
            out.write(0);
        }
        return this;
    }

    GgufBytes padTo(int alignment) {
        return zeros((alignment - size() % alignment) % alignment);
    }

    /** The byte that comes next. */
    int size() {
        return out.size();
    }

    byte[] bytes() {
        return out.toByteArray();
    }

    /** A sound file: every kind of value, two tensors of 64 bytes, and padding. */
    static GgufBytes sound() {
        return header(2, 5)
                .key("general.architecture", STRING)
                .string("llama")
                .key("a.bool", BOOL)
                .u8(1)
                .array("a.tokens", STRING, 3)
                .string("x")
                .string("")
                .string("yz")
                .array("a.scores", F32, 2)
                .f32(0.5f)
                .f32(-1f)
                .key("a.count", U32)
                .u32(7)
                .tensor("one.weight", 0, 0, 4, 4)
                .tensor("two.weight", 8, 64, 32, 2)
                .padTo(32)
                .zeros(64)
                .zeros(68)
                .padTo(32);
    }
}
