package io.sparkgguf.calibrate.text;

import io.sparkgguf.storage.RangeReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;

/** The lines of a file as bytes, without their line feeds; a line is held whole, up to a limit. */
final class LineReader {
    private static final int CHUNK = 1 << 16;
    private static final int MAX_LINE = 64 << 20;

    private final TextFile file;
    private final RangeReader reader;
    private final byte[] buffer = new byte[CHUNK];
    private int at;
    private int filled;
    private long read;
    private long number;
    private long offset;

    LineReader(TextFile file, RangeReader reader) {
        this.file = file;
        this.reader = reader;
    }

    /** The next line, null behind the last. */
    byte[] next() throws IOException {
        offset = read - filled + at;
        if (offset == reader.length()) {
            return null;
        }
        number++;
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        while (true) {
            if (at == filled) {
                filled = (int) Math.min(CHUNK, reader.length() - read);
                at = 0;
                if (filled == 0) {
                    return line.toByteArray();
                }
                reader.readFully(read, buffer, 0, filled);
                read += filled;
            }
            int end = at;
            while (end < filled && buffer[end] != '\n') {
                end++;
            }
            line.write(buffer, at, end - at);
            if (line.size() > MAX_LINE) {
                throw file.refuse(place() + " has more than " + MAX_LINE + " bytes");
            }
            at = end;
            if (end < filled) {
                at++;
                return line.toByteArray();
            }
        }
    }

    /** Where the line's first byte stands in the file. */
    long offset() {
        return offset;
    }

    /** The line's place, for messages. */
    String place() {
        return "line " + number + " at byte " + offset;
    }
}
