package io.sparkgguf.storage.hadoop;

import java.io.IOException;
import java.io.OutputStream;

/** A file that is being written; its failures name it. */
final class HadoopOutput extends OutputStream {
    private final String file;
    private final OutputStream out;

    HadoopOutput(String file, OutputStream out) {
        this.file = file;
        this.out = out;
    }

    @Override
    public void write(int value) throws IOException {
        write(new byte[] {(byte) value}, 0, 1);
    }

    @Override
    public void write(byte[] from, int at, int count) throws IOException {
        try {
            out.write(from, at, count);
        } catch (IOException e) {
            throw HadoopStorage.failure("write", file, e);
        }
    }

    @Override
    public void flush() throws IOException {
        try {
            out.flush();
        } catch (IOException e) {
            throw HadoopStorage.failure("write", file, e);
        }
    }

    @Override
    public void close() throws IOException {
        try {
            out.close();
        } catch (IOException e) {
            throw HadoopStorage.failure("write", file, e);
        }
    }
}
