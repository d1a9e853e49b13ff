package io.sparkgguf.format.imatrix;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Legacy importance matrices put together by hand, wrong ones too. */
final class ImatrixBytes {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    ImatrixBytes i32(int value) {
        out.writeBytes(ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(value)
                .array());
        return this;
    }

    ImatrixBytes string(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        i32(utf8.length);
        out.writeBytes(utf8);
        return this;
    }

    ImatrixBytes entry(String name, int calls, float... values) {
        string(name).i32(calls).i32(values.length);
        for (float value : values) {
            i32(Float.floatToRawIntBits(value));
        }
        return this;
    }

    byte[] bytes() {
        return out.toByteArray();
    }
}
