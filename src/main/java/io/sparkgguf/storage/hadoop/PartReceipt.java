package io.sparkgguf.storage.hadoop;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.fs.BBPartHandle;
import org.apache.hadoop.fs.PartHandle;

/**
 * A part that was put, as a line of text.
 *
 * @param number its place among the parts
 * @param length bytes
 * @param handle by which the store knows it
 */
record PartReceipt(int number, long length, PartHandle handle) {
    private static final Pattern FORM = Pattern.compile("(\\d{1,9}) (\\d{1,18}) ([A-Za-z0-9+/=]+)");

    static PartReceipt parse(String text) throws IOException {
        Matcher match = FORM.matcher(text);
        if (!match.matches()) {
            throw new IOException("Cannot use '" + text + "' as the receipt of a part: it is damaged");
        }
        byte[] handle = Base64.getDecoder().decode(match.group(3));
        return new PartReceipt(
                Integer.parseInt(match.group(1)),
                Long.parseLong(match.group(2)),
                BBPartHandle.from(ByteBuffer.wrap(handle)));
    }

    String text() {
        return number + " " + length + " " + Base64.getEncoder().encodeToString(handle.toByteArray());
    }
}
