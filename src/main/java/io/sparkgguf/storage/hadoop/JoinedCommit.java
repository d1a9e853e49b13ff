package io.sparkgguf.storage.hadoop;

import io.sparkgguf.storage.Storage.FileStatus;
import io.sparkgguf.storage.Unfinished;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.hadoop.fs.UploadHandle;

/**
 * For file systems that upload parts as files and join them without copying (HDFS). All of it happens in a folder beside
 * the target: there the parts lie, and the joined file until it gets its name by a rename.
 */
final class JoinedCommit extends UploadCommit {
    /**
     * A folder in the folder, for the joined file. The uploader names its own folder for the parts by putting a name
     * behind that of the file's folder, without a slash: so it comes to lie beside this one, and in the one around both.
     */
    private static final String JOINED = "joined";

    private final String folder;
    private boolean made;

    JoinedCommit(HadoopStorage storage, String target, long length) {
        super(storage, target, length);
        folder = Unfinished.file(target);
    }

    @Override
    String uploaded() {
        return folder + "/" + JOINED + "/whole";
    }

    @Override
    public long leastRange() {
        return 1 << 20;
    }

    /** A part is a file named by its number, and any number will do. */
    @Override
    int numbers(int ranges) {
        return 999_999_999;
    }

    @Override
    public int mostRanges() {
        return 10_000;
    }

    @Override
    boolean holdsRanges() {
        return false;
    }

    @Override
    public boolean begin(String earlier) throws IOException {
        storage.requireFileName(target());
        requireOurs(storage, folder);
        if (earlier == null || !isOpen(UploadHandles.parse(earlier))) {
            storage.delete(folder);
        }
        made = true;
        storage.createFolder(folder + "/" + JOINED);
        return super.begin(earlier);
    }

    /** Refuses what is there under the folder's name unless a run made it. */
    static void requireOurs(HadoopStorage storage, String folder) throws IOException {
        if (!storage.exists(folder) || !storage.status(folder).folder()) {
            return;
        }
        for (FileStatus child : storage.list(folder)) {
            if (!child.fileName().startsWith(JOINED)) {
                throw new InvalidInputException("Cannot write " + folder + ": it is a folder");
            }
        }
    }

    @Override
    boolean isOpen(UploadHandle found) throws IOException {
        String parts = partFolder(found);
        return parts != null && storage.exists(parts);
    }

    /** The folder of an upload's parts, which the handle names; null when it is not one of this file. */
    private String partFolder(UploadHandle found) throws IOException {
        String name = new String(found.toByteArray(), StandardCharsets.UTF_8);
        if (name.isEmpty()) {
            return null;
        }
        String path = storage.qualified(name).toString();
        return path.startsWith(storage.qualified(folder) + "/" + JOINED) ? path : null;
    }

    /** Joins the parts; those that are gone or have another length than they had are to be put again. */
    @Override
    public List<Integer> seal(List<String> receipts) throws IOException {
        Map<String, Long> there = new HashMap<>();
        for (FileStatus part : storage.list(partFolder(upload()))) {
            there.put(storage.qualified(part.file()).toString(), part.length());
        }
        List<Integer> lost = new ArrayList<>();
        for (int range = 0; range < receipts.size(); range++) {
            PartReceipt part = PartReceipt.parse(receipts.get(range));
            String name = new String(part.handle().toByteArray(), StandardCharsets.UTF_8);
            Long found = there.get(storage.qualified(name).toString());
            if (found == null || found != part.length()) {
                lost.add(range);
            }
        }
        if (lost.isEmpty()) {
            try {
                complete(receipts);
            } catch (IOException e) {
                throw HadoopStorage.failure("put together", target(), e);
            }
            Unfinished.requireLength(storage, uploaded(), length);
        }
        return lost;
    }

    @Override
    public Optional<String> readable() {
        return Optional.of(uploaded());
    }

    @Override
    public void publish() throws IOException {
        storage.rename(uploaded(), target());
        storage.delete(folder);
        made = false;
    }

    @Override
    public void abort() throws IOException {
        if (made) {
            made = false;
            storage.delete(folder);
        }
    }
}
