package io.sparkgguf.storage;

import java.io.IOException;
import java.util.List;
import java.util.Optional;

/**
 * One file of known length that many processes put together, and that nobody sees under its name before it is published.
 *
 * <p>The driver holds it; tasks get its {@link #sink}. The order is {@link #begin}, ranges written by tasks in any order,
 * {@link #seal}, {@link #publish}; {@link #leave} or {@link #abort} ends it anywhere before, and does nothing after. How
 * the bytes come together is the place's affair: positional writes into one file, parts of an upload, or one writer.
 */
public interface FileCommit {

    /** The final name. */
    String target();

    /** Into how many ranges the file may be cut at the most; 1 where a file is written from start to end. */
    int mostRanges();

    /** Bytes that each range but the last must have at least. */
    long leastRange();

    /**
     * The unfinished file, where tasks may write results at their offset in it as they make them, with
     * {@link Storage#openForWriting}, from {@link #begin} on; what they leave out is zero. Empty where a file comes
     * together by ranges alone. Once it was asked for, {@link #leave} leaves the file for a later run.
     */
    default Optional<String> writable() {
        return Optional.empty();
    }

    /** Bytes of memory that writing a range of {@code length} bytes takes at the most. */
    long memory(long length);

    /**
     * Finds out whether the file can be written, and makes the place for unfinished bytes. What is there under the final
     * name stays.
     *
     * @param earlier the {@link #handle} of an earlier run that was to be gone on with, or null to begin anew
     * @return whether the place of the earlier run was found again, so that receipts for its ranges hold
     * @throws io.sparkgguf.tensor.InvalidInputException when no file can get that name
     */
    boolean begin(String earlier) throws IOException;

    /** A line of text by which a later run finds the unfinished bytes again; known after {@link #begin}. */
    String handle();

    /**
     * What tasks write with; to be had after {@link #begin}.
     *
     * @param ranges into how many the file is cut
     */
    RangeSink sink(int ranges);

    /**
     * Ends writing, when all ranges are there.
     *
     * @param receipts what the sink gave for each range, in order of the ranges
     * @return ranges that are lost, as far as can be told, and must be written again before this is called again; none
     *     when the file is whole
     */
    List<Integer> seal(List<String> receipts) throws IOException;

    /** Where the whole file can be read before it is published, from {@link #seal} on; empty where it cannot. */
    Optional<String> readable();

    /** Gives the file its name, in place of one that had it. */
    void publish() throws IOException;

    /** Removes what is unfinished; a published file stays. */
    void abort() throws IOException;

    /** Ends early for a later run to go on: removes what that could not use, or would be in people's way. */
    default void leave() throws IOException {
        abort();
    }
}
