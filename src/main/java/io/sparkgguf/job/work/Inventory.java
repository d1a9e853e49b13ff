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
     * Reads every file that the journal speaks of, in a stage of its own, and takes back the results of which one is
     * missing or another.
     *
     * @return the files that are not as they were
     */
    public static List<Written> check(Session session, Storage storage, Journal journal, Progress progress)
            throws IOException {
        List<Written> files = journal.files();
        List<Boolean> sound = Stage.of("check", files, new Check(storage))
                .cost(Written::length)
                .size(Written::length)
                .run(session, progress);
        List<Written> wrong = new ArrayList<>();
        for (int i = 0; i < files.size(); i++) {
            if (!sound.get(i)) {
                wrong.add(files.get(i));
                journal.forgetFile(files.get(i).file());
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
        return wrong;
    }

    /** Whether a file has its length and digest. */
    private record Check(Storage storage) implements Stage.Task<Written, Boolean>, Serializable {
        @Override
        public Boolean run(Written file) throws IOException {
            try (RangeReader reader = storage.open(file.file())) {
                if (reader.length() != file.length()) {
                    return false;
                }
                Digest digest = new Digest();
                byte[] buffer = new byte[(int) Math.min(BUFFER, file.length())];
                for (long at = 0; at < file.length(); ) {
                    int count = (int) Math.min(buffer.length, file.length() - at);
                    reader.readFully(at, buffer, 0, count);
                    digest.update(buffer, 0, count);
                    at += count;
                }
                return digest.value() == file.digest();
            } catch (FileNotFoundException e) {
                return false;
            }
        }
    }
}
