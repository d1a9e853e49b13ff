package io.sparkgguf.job;

/** What a run tells while it goes on. Called on the driver, from one thread at a time. */
public interface Progress {

    /** A line for people, for example what was found in the checkpoint. */
    void say(String line);

    /** A stage of so much work begins; {@code total} counts bytes. */
    void begin(String stage, long total);

    /** So many more bytes of the stage are done. */
    void advance(long bytes);

    /** The stage is done. */
    void end();

    /** Says nothing. */
    Progress SILENT = new Progress() {
        @Override
        public void say(String line) {}

        @Override
        public void begin(String stage, long total) {}

        @Override
        public void advance(long bytes) {}

        @Override
        public void end() {}
    };
}
