package io.sparkgguf.storage;

import java.io.IOException;
import java.io.InputStream;

/** The bytes of a range, which can be read as often as sending them takes. */
public interface RangeContent {

    /** Bytes. */
    long length();

    /**
     * The bytes from the start, in a stream of their own. It fails rather than to end with bytes that are not what they
     * should be.
     */
    InputStream open() throws IOException;
}
