package io.sparkgguf.storage.hadoop;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Base64;
import org.apache.hadoop.fs.BBUploadHandle;
import org.apache.hadoop.fs.UploadHandle;

/** Handles of uploads as text. */
final class UploadHandles {
    private UploadHandles() {}

    static String text(UploadHandle handle) {
        return Base64.getEncoder().encodeToString(handle.toByteArray());
    }

    static UploadHandle parse(String text) throws IOException {
        try {
            return BBUploadHandle.from(ByteBuffer.wrap(Base64.getDecoder().decode(text)));
        } catch (IllegalArgumentException e) {
            throw new IOException("Cannot use '" + text + "' as the handle of an upload: it is damaged", e);
        }
    }
}
