package io.sparkgguf.job.work;

import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.Storage.FileStatus;
import io.sparkgguf.storage.WholeFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Lines of text in files of a folder that are whole or absent; each line behind its digest. Not safe for several threads. */
final class Segments {
    /** So many small files are made one: reading a hundred thousand of them would take longer than the work. */
    static final int MANY = 64;

    private static final int DIGEST_CHARS = 16;
    private static final int SEGMENT_CHARS = 32 << 20;
    private static final int MAX_BYTES = 1 << 30;

    private final Storage storage;
    private final String folder;
    private final List<String> names = new ArrayList<>();
    private long next;

    Segments(Storage storage, String folder) {
        this.storage = storage;
        this.folder = folder;
    }

    /** Takes a line in; tells whether it understood it. */
    interface Reader {
        boolean accept(String line);
    }

    /** Reads all lines in order; returns how many were damaged. */
    int read(Reader reader) throws IOException {
        storage.createFolder(folder);
        int damaged = 0;
        for (FileStatus file : storage.list(folder)) {
            if (file.fileName().matches("segment-\\d{10}")) {
                names.add(file.fileName());
                next = Long.parseLong(file.fileName().substring("segment-".length())) + 1;
                damaged += read(file, reader);
            }
        }
        return damaged;
    }

    private int read(FileStatus file, Reader reader) throws IOException {
        if (file.folder() || file.length() > MAX_BYTES) {
            return 1;
        }
        byte[] bytes = new byte[(int) file.length()];
        try (RangeReader in = storage.open(storage.resolve(folder, file.fileName()))) {
            in.readFully(0, bytes, 0, bytes.length);
        }
        int damaged = 0;
        for (int at = 0; at < bytes.length; ) {
            int end = at;
            while (end < bytes.length && bytes[end] != '\n') {
                end++;
            }
            String line = end < bytes.length ? text(bytes, at, end) : null;
            damaged += line != null && reader.accept(line) ? 0 : 1;
            at = end + 1;
        }
        return damaged;
    }

    /** What stands behind the digest, or null when it is not what was written. */
    private static String text(byte[] bytes, int at, int end) {
        int text = at + DIGEST_CHARS + 1;
        if (text >= end || bytes[text - 1] != ' ') {
            return null;
        }
        String digest = new String(bytes, at, DIGEST_CHARS, StandardCharsets.ISO_8859_1);
        return digest.equals(Digest.hex(Digest.of(bytes, text, end - text)))
                ? new String(bytes, text, end - text, StandardCharsets.UTF_8)
                : null;
    }

    private static String line(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return Digest.hex(Digest.of(bytes, 0, bytes.length)) + " " + text + "\n";
    }

    boolean areMany() {
        return names.size() >= MANY;
    }

    /** Writes lines into a new segment, or a few. */
    void add(List<String> lines) throws IOException {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < lines.size(); i++) {
            text.append(line(lines.get(i)));
            if (text.length() >= SEGMENT_CHARS || i == lines.size() - 1) {
                byte[] bytes = text.toString().getBytes(StandardCharsets.UTF_8);
                String name = "segment-%010d".formatted(next++);
                WholeFile.write(storage, storage.resolve(folder, name), out -> out.write(bytes));
                names.add(name);
                text.setLength(0);
            }
        }
    }

    /** Writes what stands for all lines so far. The oldest segment goes first: what a later one takes back stays away. */
    void replaceAll(List<String> lines) throws IOException {
        List<String> old = List.copyOf(names);
        add(lines);
        for (String name : old) {
            storage.delete(storage.resolve(folder, name));
            names.remove(name);
        }
    }
}
