package io.sparkgguf.job.work;

import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile.Written;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/** Looks whether files are as the journal says: a result is believed only when all of its files are. */
public final class Inventory {
    private static final int BUFFER = 1 << 20;

    private Inventory() {}

    /**
     * A result in the journal that lies in a file outside of the work folder, with others.
     *
     * @param offset of its first byte there
     * @param digest xxHash64 of its bytes
     */
    public record Range(String stage, String item, String file, long offset, long length, long digest) {}

    /** Bytes to be looked at; without an offset they are all of the file. */
    private record Bytes(String file, Long offset, long length, long digest) implements Serializable {}

    /**
     * Reads every file that the journal speaks of, in a stage of its own, and takes back the results of which one is
     * missing or another.
     *
     * @return the files that are not as they were
     */
    public static List<Written> check(Session session, Storage storage, Journal journal, Progress progress)
            throws IOException {
        return check(session, storage, journal, List.of(), progress);
    }

    /**
     * The same with results that are no files of the work folder.
     *
     * @return the files that are not as they were
     */
    public static List<Written> check(
            Session session, Storage storage, Journal journal, List<Range> ranges, Progress progress)
            throws IOException {
        List<Written> files = journal.files();
        List<Bytes> all = new ArrayList<>();
        files.forEach(file -> all.add(new Bytes(file.file(), null, file.length(), file.digest())));
        ranges.forEach(range -> all.add(new Bytes(range.file(), range.offset(), range.length(), range.digest())));
        List<Boolean> sound = Stage.of("check", all, new Check(storage))
                .cost(Bytes::length)
                .size(Bytes::length)
                .run(session, progress);
        List<Written> wrong = new ArrayList<>();
        for (int i = 0; i < files.size(); i++) {
            if (!sound.get(i)) {
                wrong.add(files.get(i));
                journal.forgetFile(files.get(i).file());
            }
        }
        List<Range> wrongRanges = new ArrayList<>();
        for (int i = 0; i < ranges.size(); i++) {
            if (!sound.get(files.size() + i)) {
                wrongRanges.add(ranges.get(i));
                journal.forget(ranges.get(i).stage(), ranges.get(i).item());
            }
        }
        journal.flush();
        if (!wrong.isEmpty()) {
            progress.say(
                    "spark-gguf: %d of %d files of the work folder are missing or damaged, %s%s; they are made again"
                            .formatted(
                                    wrong.size(),
                                    files.size(),
                                    wrong.get(0).file(),
                                    wrong.size() > 1 ? " and others" : ""));
        }
        if (!wrongRanges.isEmpty()) {
            progress.say("spark-gguf: %d of %d results are missing or damaged in %s; they are made again"
                    .formatted(
                            wrongRanges.size(),
                            ranges.size(),
                            wrongRanges.get(0).file()));
        }
        return wrong;
    }

    /** Whether bytes are there with their digest. */
    private record Check(Storage storage) implements Stage.Task<Bytes, Boolean>, Serializable {
        @Override
        public Boolean run(Bytes bytes) throws IOException {
            try (RangeReader reader = storage.open(bytes.file())) {
                long start = bytes.offset() == null ? 0 : bytes.offset();
                long end = start + bytes.length();
                if (bytes.offset() == null ? reader.length() != end : reader.length() < end) {
                    return false;
                }
                Digest digest = new Digest();
                byte[] buffer = new byte[(int) Math.min(BUFFER, bytes.length())];
                for (long at = start; at < end; ) {
                    int count = (int) Math.min(buffer.length, end - at);
                    reader.readFully(at, buffer, 0, count);
                    digest.update(buffer, 0, count);
                    at += count;
                }
                return digest.value() == bytes.digest();
            } catch (FileNotFoundException e) {
                return false;
            }
        }
    }
}
