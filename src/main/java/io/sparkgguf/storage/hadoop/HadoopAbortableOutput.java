package io.sparkgguf.storage.hadoop;

import io.sparkgguf.storage.AbortableOutput;
import java.io.IOException;
import org.apache.hadoop.fs.FSDataOutputStream;

/** A file of a store where an object appears when its stream is closed; its failures name it. */
final class HadoopAbortableOutput extends AbortableOutput {
    private final FSDataOutputStream out;
    private final HadoopOutput named;
    private boolean ended;

    HadoopAbortableOutput(String file, FSDataOutputStream out) {
        this.out = out;
        named = new HadoopOutput(file, out);
    }

    @Override
    public void write(int value) throws IOException {
        named.write(value);
    }

    @Override
    public void write(byte[] from, int at, int count) throws IOException {
        named.write(from, at, count);
    }

    @Override
    public void flush() throws IOException {
        named.flush();
    }

    @Override
    public void abort() throws IOException {
        if (!ended) {
            ended = true;
            out.abort();
            named.close(); // of an aborted stream: lets go of its buffers
        }
    }

    @Override
    public void close() throws IOException {
        if (!ended) {
            ended = true;
            named.close();
        }
    }
}
