package io.sparkgguf.storage;

import java.io.IOException;
import java.io.OutputStream;

/** A new file that nobody sees before it is closed, and nobody ever sees when it is aborted instead. */
public abstract class AbortableOutput extends OutputStream {

    /** Gives up the file; a close that follows does nothing. */
    public abstract void abort() throws IOException;
}
