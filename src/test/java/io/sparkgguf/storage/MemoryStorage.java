package io.sparkgguf.storage;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.OutputStream;
import java.util.List;
import java.util.concurrent.ConcurrentSkipListMap;

/** Files in memory, for tests: folders are prefixes, so every folder exists that holds something. */
public final class MemoryStorage implements Storage {
    private static final long serialVersionUID = 1L;

    private final ConcurrentSkipListMap<String, byte[]> files = new ConcurrentSkipListMap<>();

    public MemoryStorage put(String file, byte[] bytes) {
        files.put(file, bytes.clone());
        return this;
    }

    @Override
    public RangeReader open(String file) throws IOException {
        byte[] bytes = bytes(file);
        return new RangeReader() {
            @Override
            public String file() {
                return file;
            }

            @Override
            public long length() {
                return bytes.length;
            }

            @Override
            public void readFully(long offset, byte[] into, int at, int count) throws IOException {
                if (offset + count > bytes.length) {
                    throw new EOFException("Cannot read " + count + " bytes at " + offset + " of " + file + ": it has "
                            + bytes.length);
                }
                System.arraycopy(bytes, (int) offset, into, at, count);
            }

            @Override
            public void close() {}
        };
    }

    private byte[] bytes(String file) throws FileNotFoundException {
        byte[] bytes = files.get(file);
        if (bytes == null) {
            throw new FileNotFoundException("Cannot open " + file + ": no such file");
        }
        return bytes;
    }

    @Override
    public FileStatus status(String file) throws IOException {
        return new FileStatus(file, false, bytes(file).length, 0);
    }

    @Override
    public boolean exists(String file) {
        return files.containsKey(file) || files.keySet().stream().anyMatch(name -> name.startsWith(file + "/"));
    }

    @Override
    public List<FileStatus> list(String folder) {
        return files.entrySet().stream()
                .filter(entry -> entry.getKey().startsWith(folder + "/")
                        && entry.getKey().indexOf('/', folder.length() + 1) < 0)
                .map(entry -> new FileStatus(entry.getKey(), false, entry.getValue().length, 0))
                .toList();
    }

    @Override
    public void createFolder(String folder) {}

    @Override
    public OutputStream create(String file) {
        return new ByteArrayOutputStream() {
            @Override
            public void close() {
                files.put(file, toByteArray());
            }
        };
    }

    @Override
    public void rename(String from, String to) throws IOException {
        files.put(to, bytes(from));
        files.remove(from);
    }

    @Override
    public void delete(String file) {
        files.keySet().removeIf(name -> name.equals(file) || name.startsWith(file + "/"));
    }

    @Override
    public String resolve(String folder, String child) {
        return folder + "/" + child;
    }
}
