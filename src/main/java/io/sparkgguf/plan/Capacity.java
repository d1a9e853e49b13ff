package io.sparkgguf.plan;

/** What a run is given, as far as its time depends on it. */
public interface Capacity {
    /** Tasks that run at once when each holds so many bytes; 0 when not even one fits. */
    long slots(long memory);

    /** Bytes a second that one task reads from, or writes to, storage. */
    long bandwidth();
}
