package io.sparkgguf.job.stage;

/** What a run tells while it goes on. Called on the driver, from one thread at a time. */
public interface Progress {

    /** A line for people, for example what was found in the checkpoint. */
    void say(String line);

    /** What the work of a stage is counted in. */
    enum Unit {
        BYTES,
        TOKENS
    }

    /** A stage of so much work begins. */
    void begin(String stage, long total, Unit unit);

    /** So much of the stage was done by an earlier run: no measure of how fast this one is. Follows {@code begin}. */
    default void recalled(long work) {
        advance(work);
    }

    /** So much more of the stage is done. */
    void advance(long work);

    /** The stage is done. */
    void end();

    /** Says nothing. */
    Progress SILENT = new Progress() {
        @Override
        public void say(String line) {}

        @Override
        public void begin(String stage, long total, Unit unit) {}

        @Override
        public void advance(long work) {}

        @Override
        public void end() {}
    };
}
