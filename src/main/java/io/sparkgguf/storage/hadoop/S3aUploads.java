package io.sparkgguf.storage.hadoop;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;

/**
 * Which uploads of an object are open. Hadoop's interface for all stores cannot tell; S3A's own can, but is called by
 * name, since its jar is there only where somebody brings it.
 */
final class S3aUploads {
    private S3aUploads() {}

    /** Ids of all open uploads of {@code path}, which is qualified; none where the store cannot list them. */
    static List<String> open(FileSystem system, Path path) throws IOException {
        String key = path.toUri().getPath().substring(1);
        try {
            Method list = system.getClass().getMethod("listUploads", String.class);
            String folder = key.substring(0, key.lastIndexOf('/') + 1); // it puts a slash behind any other name
            RemoteIterator<?> uploads = (RemoteIterator<?>) list.invoke(system, folder);
            List<String> ids = new ArrayList<>();
            while (uploads.hasNext()) {
                Object upload = uploads.next();
                if (key.equals(text(upload, "key"))) {
                    ids.add(text(upload, "uploadId"));
                }
            }
            return ids;
        } catch (NoSuchMethodException e) {
            return List.of();
        } catch (InvocationTargetException e) {
            throw e.getCause() instanceof IOException io
                    ? io
                    : new IOException("Cannot list the uploads of " + path, e.getCause());
        } catch (IllegalAccessException e) {
            throw new IOException("Cannot list the uploads of " + path, e);
        }
    }

    private static String text(Object upload, String property)
            throws NoSuchMethodException, InvocationTargetException, IllegalAccessException {
        return (String) upload.getClass().getMethod(property).invoke(upload);
    }
}
