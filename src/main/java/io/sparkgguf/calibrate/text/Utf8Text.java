package io.sparkgguf.calibrate.text;

import io.sparkgguf.storage.RangeReader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;

/** Decodes a part of a file as UTF-8, strictly, in bounded memory; what is no text is refused with its byte. */
final class Utf8Text implements Characters {
    private static final int CHUNK = 1 << 16;

    private final TextFile file;
    private final RangeReader reader;
    private final long end;
    private final CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder();
    private final ByteBuffer bytes = ByteBuffer.allocate(CHUNK).limit(0);
    private final CharBuffer chars = CharBuffer.allocate(CHUNK);
    private long next;

    /** @param end one past the last byte */
    Utf8Text(TextFile file, RangeReader reader, long end) {
        this.file = file;
        this.reader = reader;
        this.end = end;
    }

    @Override
    public int append(StringBuilder into, int most) throws IOException {
        int count = 0;
        while (most - count >= 2) {
            fill();
            chars.clear().limit(Math.min(CHUNK, most - count));
            CoderResult result = decoder.decode(bytes, chars, next == end);
            if (result.isError()) {
                throw invalid(file, next - bytes.remaining());
            }
            into.append(chars.flip());
            count += chars.limit();
            if (next == end && !bytes.hasRemaining()) {
                break;
            }
        }
        return count;
    }

    private void fill() throws IOException {
        bytes.compact();
        int more = (int) Math.min(bytes.remaining(), end - next);
        int at = bytes.position();
        reader.readFully(next, bytes.array(), at, more);
        requireNoNul(file, bytes.array(), at, more, next);
        next += more;
        bytes.position(at + more).flip();
    }

    /** Decodes bytes that are in memory. @param offset of the first in the file */
    static String decode(TextFile file, byte[] utf8, long offset) {
        requireNoNul(file, utf8, 0, utf8.length, offset);
        ByteBuffer in = ByteBuffer.wrap(utf8);
        CharBuffer out = CharBuffer.allocate(utf8.length);
        if (StandardCharsets.UTF_8.newDecoder().decode(in, out, true).isError()) {
            throw invalid(file, offset + in.position());
        }
        return out.flip().toString();
    }

    private static void requireNoNul(TextFile file, byte[] bytes, int at, int count, long offset) {
        for (int i = at; i < at + count; i++) {
            if (bytes[i] == 0) {
                throw file.refuse("byte " + (offset + i - at) + " is NUL, so it is not text");
            }
        }
    }

    private static RuntimeException invalid(TextFile file, long offset) {
        return file.refuse("byte " + offset + " begins no UTF-8 character, so it is not text");
    }
}
